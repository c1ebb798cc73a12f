// How the playground asks the API. Numbers are the one thing that a page must take care of: JSON.parse turns
// 9007199254740993 into 9007199254740992 and 1.0 into 1, and what this API stores, it stores exactly. A number whose text
// would change is carried as JSON.rawJSON, which JSON.stringify writes as it was. (A browser without it, from before 2025,
// shows what JSON.parse makes of it.)
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { parse } from 'graphql';
import { parseTree } from 'jsonc-parser';

const number = (text) => (String(Number(text)) === text || !JSON.rawJSON ? Number(text) : JSON.rawJSON(text));

/** JSON.parse with exact numbers. */
export const parseExact = (text) =>
  JSON.parse(text, (_key, value, context) => (typeof value === 'number' && context?.source ? number(context.source) : value));

/** The value of the variables' editor, which may hold comments, with exact numbers. The editor's text is known to be right. */
function parseVariables(text) {
  const value = (node) => {
    switch (node.type) {
      case 'object':
        return Object.fromEntries(node.children.map(({ children: [key, member] }) => [key.value, value(member)]));
      case 'array':
        return node.children.map(value);
      case 'number':
        return number(text.slice(node.offset, node.offset + node.length));
      default:
        return node.value;
    }
  };
  const root = parseTree(text, [], { allowTrailingComma: true });
  return root && value(root);
}

async function exactFetch(url, init) {
  const response = await fetch(url, init);
  const text = await response.text();
  return {
    json() {
      try {
        return parseExact(text);
      } catch {
        throw new Error(`The answer is no JSON, but HTTP ${response.status}: ${text.slice(0, 500)}`);
      }
    },
  };
}

const ask = createGraphiQLFetcher({
  url: new URL('graphql', document.baseURI).href,
  fetch: exactFetch,
  enableIncrementalDelivery: false, // the API answers once
});

/**
 * The operation to run: the one that GraphiQL names, unless it names one of the tab before, which it does for a moment
 * after a change of tabs.
 */
function operationName(query, name) {
  try {
    return parse(query).definitions.some((d) => d.kind === 'OperationDefinition' && d.name?.value === name) ? name : undefined;
  } catch {
    return name; // the API will tell what is wrong
  }
}

/** GraphiQL's fetcher. variablesText resolves to the text of the variables' editor. */
export const fetcher = (variablesText) => async (params, options) => {
  const text = await variablesText();
  return ask(
    {
      ...params,
      operationName: operationName(params.query, params.operationName),
      variables: params.variables && text ? parseVariables(text) : params.variables,
    },
    options,
  );
};

/** Asks the API for the page itself. Throws for any error. */
export async function query(document, variables) {
  const { data, errors } = await ask({ query: document, variables });
  if (errors) throw new Error(errors[0].message);
  return data;
}
