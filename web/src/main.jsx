import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './style.css';
import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQL } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { exampleTabs } from './examples.js';
import { fetcher } from './fetcher.js';
import { EXAMPLES_PLUGIN, FirstRun } from './panels.jsx';
import { storage } from './storage.js';

let variableEditor;

/** Gets hold of the editors. */
function Editors() {
  variableEditor = useGraphiQL((state) => state.variableEditor);
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on' }), [queryEditor]);
  return null;
}

const ask = fetcher(() => variableEditor?.getValue());
const plugins = [HISTORY_PLUGIN, EXAMPLES_PLUGIN];
const wide = window.matchMedia('(min-width: 1200px)').matches;

exampleTabs().then((tabs) => {
  if (!localStorage.getItem('graphiql:tabState')) {
    // The first tab's, which GraphiQL shows only from here. Both, or it takes them for those of one tab more.
    localStorage.setItem('graphiql:query', tabs[0].query);
    localStorage.setItem('graphiql:variables', tabs[0].variables);
  }
  createRoot(document.getElementById('root')).render(
    <GraphiQL
      fetcher={ask}
      storage={storage}
      plugins={plugins}
      visiblePlugin={wide ? DOC_EXPLORER_PLUGIN : undefined}
      defaultTabs={tabs}
      defaultEditorToolsVisibility="variables"
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
      inputValueDeprecation
    >
      <GraphiQL.Logo>threadstore</GraphiQL.Logo>
      <FirstRun />
      <Editors />
    </GraphiQL>,
  );
});
