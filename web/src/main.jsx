import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './style.css';
import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQL } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';
import { exampleTabs, renewal } from './examples.js';
import { fetcher } from './fetcher.js';
import { EXAMPLES_PLUGIN, FirstRun } from './panels.jsx';
import { renewStored, storage } from './storage.js';

let variableEditor;
let renewing; // the choice of variables that is under way

/** Gets hold of the editors, and chooses the examples' variables anew where the store has changed while the user was away. */
function Editors() {
  const state = useGraphiQL(({ tabs, activeTabIndex, queryEditor, variableEditor, actions }) => ({ tabs, activeTabIndex, queryEditor, variableEditor, actions }));
  variableEditor = state.variableEditor;
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => state.queryEditor?.updateOptions({ wordWrap: 'on' }), [state.queryEditor]);
  useEffect(() => {
    const look = () => (renewing = renewOpen(() => latest.current));
    window.addEventListener('focus', look);
    return () => window.removeEventListener('focus', look);
  }, []);
  return null;
}

/** Gives the open tabs the variables that renewal chooses for them. */
async function renewOpen(state) {
  if (!state().queryEditor || !state().variableEditor) return;
  // What the editors hold reaches the active tab only a moment after it was typed.
  const shown = () => ({ query: state().queryEditor.getValue(), variables: state().variableEditor.getValue() });
  const renewed = await renewal([...state().tabs, shown()]);
  const { tabs, activeTabIndex, actions } = state();
  const gone = tabs.filter((tab) => renewed(tab) !== tab.variables);
  // GraphiQL has an action for the active tab only, which reaches the tab a moment later: too late for who opens another one
  // at once. It reads the others when they are opened, and stores them here.
  for (const tab of gone) Object.assign(tab, { variables: renewed(tab), response: tab === tabs[activeTabIndex] ? tab.response : null });
  if (gone.length > 0) actions.storeTabs({ tabs, activeTabIndex });
  const text = renewed(shown());
  if (text !== shown().variables) state().variableEditor.setValue(text);
}

const ask = fetcher(async () => {
  await renewing; // a click into the page may be on the button that runs
  return variableEditor?.getValue();
});
const plugins = [HISTORY_PLUGIN, EXAMPLES_PLUGIN];
const wide = window.matchMedia('(min-width: 1200px)').matches;

async function start() {
  const tabs = await exampleTabs();
  if (localStorage.getItem('graphiql:tabState')) {
    await renewStored(renewal).catch(() => {}); // stored by something else: GraphiQL begins with the default tabs
  } else {
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
}

start();
