import { parseExact, query } from './fetcher.js';

/** Some of what is in the store, for the examples to ask about. Until something is, this is of the sample data. */
const sample = {
  threadId: 'sample-research',
  attributes: { team: 'catalogue', language: 'en' },
  source: { name: 'slack', properties: { channel: 'C456' } },
};

const plain = (value) => ['string', 'number', 'boolean'].includes(typeof value) && String(value).length <= 60;
const members = (object, count) => Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => plain(value)).slice(0, count));

/** Looks for a thread with tool calls, for attributes and for a source. */
async function survey() {
  let threads;
  try {
    ({ threads } = await query(`query Examples { threads(limit: 20) { id attributes source messageCount tools: messageCount(roles: [TOOL]) } }`));
  } catch {
    return sample; // whatever is wrong, running an example will tell
  }
  if (threads.length === 0) return sample;
  const withTools = threads.find((t) => t.tools > 0 && t.messageCount <= 60) ?? threads.find((t) => t.tools > 0) ?? threads[0];
  const attributed = [withTools, ...threads].find((t) => Object.keys(members(t.attributes, 1)).length > 0);
  const sourced = [withTools, ...threads].find((t) => typeof t.source?.name === 'string');
  const { name, ...properties } = sourced?.source ?? {};
  return {
    threadId: withTools.id,
    attributes: attributed ? members(attributed.attributes, 2) : sample.attributes,
    source: sourced ? { name, properties: members(properties, 1) } : sample.source,
  };
}

/**
 * The examples, with a comment of one line for each sentence, since the editor wraps: a name, what it is good for, the
 * document, its variables from what survey found, and a query whether what these name is in the store.
 */
export const examples = [
  {
    name: 'RecentThreads',
    about: 'The newest threads, each with its last messages: what a dashboard opens with.',
    document: `# The newest threads, each with its last messages.
# However many: three SQL statements.
#
# Ctrl-Enter runs it, Ctrl-Space completes.
query RecentThreads($limit: Int!) {
  threads(limit: $limit) {
    id
    title
    updatedAt
    attributes
    messageCount
    toolResults: messageCount(roles: [TOOL])
    messages(last: 3) {
      sequence
      role
      content
    }
  }
}
`,
    variables: () => ({ limit: 5 }),
  },
  {
    name: 'OneThread',
    about: "A thread's whole tree: messages, their tool calls and what came back, tokens and times.",
    document: `# One conversation from end to end.
# A message of role TOOL answers the call whose callId it has as toolCallId.
query OneThread($id: ID!) {
  thread(id: $id) {
    title
    source
    messages {
      sequence
      role
      name
      content
      toolCalls {
        callId
        function {
          name
          arguments
        }
      }
      toolCallId
      metrics {
        model
        timing {
          latencyMs
        }
        usage {
          totalTokens
        }
      }
    }
  }
}
`,
    variables: ({ threadId }) => ({ id: threadId }),
    named: 'query ExamplesNamed($id: ID!) { found: thread(id: $id) { id } }',
  },
  {
    name: 'FindByAttributes',
    about: 'Threads by what your application keeps with them. Any key, any JSON value.',
    document: `# Every given attribute must be equal as JSON: 42 is not "42", but 1 is 1.0.
# null finds threads without the key.
query FindByAttributes($attributes: JSONObject!) {
  findThreadsByAttributes(attributes: $attributes, limit: 10) {
    id
    title
    attributes
    messages(last: 1) {
      role
      content
    }
  }
}
`,
    variables: ({ attributes }) => ({ attributes }),
    named: `query ExamplesNamed($attributes: JSONObject!) { found: findThreadsByAttributes(attributes: $attributes, limit: 1) { id } }`,
  },
  {
    name: 'FindBySource',
    about: 'Threads by where they came from, such as a channel of a chat.',
    document: `# The source's name, and any further keys of it.
query FindBySource($name: String!, $properties: JSONObject) {
  findThreadsBySource(name: $name, properties: $properties, limit: 10) {
    id
    title
    source
    updatedAt
  }
}
`,
    variables: ({ source }) => source,
    named: `query ExamplesNamed($name: String!, $properties: JSONObject) {
      found: findThreadsBySource(name: $name, properties: $properties, limit: 1) { id }
    }`,
  },
  {
    name: 'AppendMessage',
    about: 'Append to a thread. With an id of your own, sending again is safe.',
    document: `# Makes a thread to play with, and appends a message.
# Run it twice: the message has an id of ours, so it is there once.
# Change its content, and the same id is a CONFLICT.
mutation AppendMessage($threadId: ID!, $message: MessageInput!) {
  saveThread(thread: { id: $threadId, title: "My playground" }) {
    id
  }
  addMessage(threadId: $threadId, message: $message) {
    id
    sequence
    role
    content
    timestamp
    thread {
      messageCount
    }
  }
}
`,
    variables: () => ({
      threadId: 'playground',
      message: {
        id: 'playground-1',
        role: 'ASSISTANT',
        content: 'I will look that up.',
        toolCalls: [{ callId: 'call_1', type: 'function', function: { name: 'search', arguments: '{"q":"weather"}' } }],
        metrics: { model: 'gpt-4o', usage: { promptTokens: 20, completionTokens: 9, totalTokens: 29 } },
      },
    }),
  },
  {
    name: 'SaveThread',
    about: 'Create or change a thread, but never over what somebody else changed meanwhile.',
    document: `# Creates or changes a thread. What is not given stays as it is.
#
# The guard: copy the updatedAt that comes back to the variable "read", in quotes.
# Run again: it is saved.
# Run once more: the thread is newer than what was read. CONFLICT, and nothing is lost.
mutation SaveThread($thread: ThreadInput!, $read: DateTime) {
  saveThread(thread: $thread, ifUnmodifiedSince: $read) {
    id
    title
    attributes
    updatedAt
    messages {
      id
      sequence
      role
      content
    }
  }
}
`,
    variables: () => ({
      thread: {
        id: 'playground-saved',
        title: 'Saved from the playground',
        attributes: { customer: '42', tags: ['a', 'b'] },
        messages: [
          { id: 'playground-saved-1', role: 'SYSTEM', content: 'Be kind.' },
          { id: 'playground-saved-2', role: 'USER', content: 'Hi!' },
        ],
      },
      read: null,
    }),
  },
];

// The texts of variables that the examples were given in this browser, newest first. Variables that are not among them are the user's.
const remembered = 'threadstore:given';
const given = () => JSON.parse(localStorage.getItem(remembered) ?? '[]');

/** The text of an example's variables, from what survey found. */
function give(example, found) {
  const text = JSON.stringify(example.variables(found), null, 2);
  localStorage.setItem(remembered, JSON.stringify([...new Set([text, ...given()])].slice(0, 100)));
  return text;
}

/** The examples as tabs of GraphiQL, in the order of the list. */
export async function exampleTabs() {
  const found = await survey();
  return examples.map((example) => ({ query: example.document, variables: give(example, found) }));
}

async function isGone({ named }, variables) {
  try {
    const { found } = await query(named, parseExact(variables));
    return found === null || found.length === 0;
  } catch {
    return false; // whatever is wrong, running the example will tell
  }
}

/**
 * Looks which of the tabs hold an example that nobody has edited and that names what is not in the store, and returns a
 * function from a tab to its variables: chosen anew for one of these, else what they are.
 */
export async function renewal(tabs) {
  const found = await survey();
  const known = given();
  const anew = new Map();
  const key = (tab) => JSON.stringify([tab.query, tab.variables]);
  await Promise.all(
    tabs.map(async (tab) => {
      const example = examples.find(({ document, named }) => named && document === tab.query);
      if (!example || !known.includes(tab.variables)) return;
      const text = give(example, found);
      if (text !== tab.variables && (await isGone(example, tab.variables))) anew.set(key(tab), text);
    }),
  );
  return (tab) => anew.get(key(tab)) ?? tab.variables;
}
