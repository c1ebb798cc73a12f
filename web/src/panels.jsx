import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';
import { exampleTabs, examples } from './examples.js';
import { query } from './fetcher.js';

function LightbulbIcon(props) {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" {...props}>
      <path d="M7 14.5c0-2-2.5-3-2.5-6a5.5 5.5 0 0 1 11 0c0 3-2.5 4-2.5 6zM7.5 17.5h5" />
    </svg>
  );
}

function Examples() {
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const open = async (index) => {
    const tab = (await exampleTabs())[index];
    addTab();
    queryEditor.setValue(tab.query);
    variableEditor.setValue(tab.variables);
  };
  return (
    <section aria-label="Examples">
      <div className="graphiql-doc-explorer-title">Examples</div>
      <p>Each opens in a tab of its own, with variables from what is in the store.</p>
      <ul className="examples">
        {examples.map(({ name, about }, index) => (
          <li key={name}>
            <button type="button" className="link" onClick={() => open(index)}>
              {name}
            </button>
            <div>{about}</div>
          </li>
        ))}
      </ul>
      <p>
        The schema as a file, for code generators: <a href="schema.graphql">schema.graphql</a>. Endpoint for clients:{' '}
        <code>{new URL('graphql', document.baseURI).href}</code>
      </p>
    </section>
  );
}

/** The examples, for those who have closed or changed their tabs. */
export const EXAMPLES_PLUGIN = { title: 'Examples', icon: LightbulbIcon, content: Examples };

const isEmpty = async () => (await query('query FirstRun { threads(limit: 1) { id } }')).threads.length === 0;

async function loadSample() {
  const response = await fetch(new URL('sample', document.baseURI), { method: 'POST' });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.errors?.[0].message ?? `the server answered HTTP ${response.status}`);
  return body;
}

/** What a newcomer to an empty store sees first. */
export function FirstRun() {
  const [state, setState] = useState({ step: 'unknown' });
  const { run } = useGraphiQLActions();
  const operations = useGraphiQL((store) => store.operations);

  useEffect(() => {
    // Look again when the user comes back, perhaps from an import on the command line.
    const look = () =>
      isEmpty().then(
        (empty) => setState((old) => (old.step === 'unknown' || old.step === 'empty' ? { step: empty ? 'empty' : 'unknown' } : old)),
        () => {}, // not for us to tell: running anything will
      );
    look();
    window.addEventListener('focus', look);
    return () => window.removeEventListener('focus', look);
  }, []);

  if (state.step === 'unknown') return null;

  const load = async () => {
    setState({ step: 'loading' });
    try {
      setState({ step: 'loaded', ...(await loadSample()) });
      if (operations?.length > 0 && operations.every(({ operation }) => operation === 'query')) run();
    } catch (error) {
      setState({ step: 'failed', message: error.message });
    }
  };
  return (
    <aside className="graphiql-container first-run" role="status">
      {state.step === 'loaded' ? (
        <>
          <span>
            {state.threads} conversations with {state.messages} messages are in the store now. The tabs ask about them; run one with the button
            or Ctrl-Enter.
          </span>
          <button type="button" onClick={() => setState({ step: 'unknown' })}>
            Got it
          </button>
        </>
      ) : (
        <>
          <span>
            <strong>This store is empty.</strong>{' '}
            {state.step === 'failed'
              ? `The sample data could not be loaded: ${state.message}`
              : 'Load a few made-up conversations of a bicycle shop to look around, or import your own: '}
            {state.step !== 'failed' && (
              <>
                <code>go run . import FILE</code> in a clone, <code>threadstore import FILE</code> with an installed program
              </>
            )}
          </span>
          <button type="button" onClick={load} disabled={state.step === 'loading'}>
            {state.step === 'loading' ? 'Loading…' : state.step === 'failed' ? 'Try again' : 'Load sample data'}
          </button>
        </>
      )}
    </aside>
  );
}
