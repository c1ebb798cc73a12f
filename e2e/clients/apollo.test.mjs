// Apollo Client against the server: it reads, writes and pages, and its normalised cache follows.
//
// The store holds the threads of THREADSTORE_DATA unchanged, and nobody else writes to it meanwhile. The tests change
// only threads of their own, with fresh ids, and delete them again.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { afterEach, before, beforeEach, mock, test as nodeTest } from 'node:test';
import { format } from 'node:util';
import { ask, boundedFetch, endpoint, readData, testTimeout } from './support.mjs'; // before Apollo, see there
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { loadDevMessages, loadErrorMessages } from '@apollo/client/dev';
import { offsetLimitPagination, relayStylePagination } from '@apollo/client/utilities';
import { buildClientSchema, getIntrospectionQuery, validate, validateSchema } from 'graphql';

// Warnings in words instead of the addresses of pages that explain them.
loadDevMessages();
loadErrorMessages();

/** How long a watched query may take to show a change, in milliseconds. */
const watchTimeout = 10_000;

const PART_FIELDS = gql`
  fragment PartFields on ContentPart {
    ... on TextPart { text }
    ... on ImagePart { url }
  }
`;

const MESSAGE_FIELDS = gql`
  fragment MessageFields on Message {
    id role sequence content name toolCallId attributes timestamp source
    parts { ...PartFields }
    toolCalls { callId type function { name arguments } }
    attachments { filename mimeType fileId storagePath storageBackend status attributes }
    metrics {
      model
      timing { startedAt endedAt latencyMs }
      usage { promptTokens completionTokens totalTokens }
      weaveCall { callId uiUrl }
    }
  }
  ${PART_FIELDS}
`;

const documents = {
  thread: gql`
    query Thread($id: ID!) {
      thread(id: $id) { id title attributes source createdAt updatedAt messageCount messages { ...MessageFields } }
    }
    ${MESSAGE_FIELDS}
  `,
  title: gql`query Title($id: ID!) { thread(id: $id) { id title updatedAt } }`,
  threads: gql`query Threads($limit: Int!, $offset: Int!) { threads(limit: $limit, offset: $offset) { id title updatedAt } }`,
  pages: gql`
    query Pages($first: Int, $after: String) {
      threadConnection(first: $first, after: $after) {
        edges { cursor node { id title updatedAt } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount
      }
    }
  `,
  lastPages: gql`
    query LastPages($last: Int, $before: String) {
      threadConnection(last: $last, before: $before) {
        edges { node { id } }
        pageInfo { hasPreviousPage startCursor }
      }
    }
  `,
  find: gql`
    query Find($attributes: JSONObject!, $limit: Int!, $offset: Int!) {
      findThreadsByAttributes(attributes: $attributes, limit: $limit, offset: $offset) { id attributes }
    }
  `,
  forward: gql`
    query Forward($id: ID!, $first: Int, $afterSequence: Int) {
      thread(id: $id) { id messages(first: $first, afterSequence: $afterSequence) { id sequence } }
    }
  `,
  backward: gql`
    query Backward($id: ID!, $last: Int, $beforeSequence: Int) {
      thread(id: $id) { id messages(last: $last, beforeSequence: $beforeSequence) { id sequence } }
    }
  `,
  rootMessages: gql`
    query RootMessages($id: ID!, $roles: [Role!]) { messages(threadId: $id, roles: $roles) { id role thread { id } } }
  `,
  windows: gql`
    query Windows($id: ID!) {
      thread(id: $id) {
        id
        opening: messages(first: 2) { id }
        ending: messages(last: 2) { id }
        answers: messages(roles: [TOOL]) { id }
        messageCount
        answerCount: messageCount(roles: [TOOL])
      }
    }
  `,
  message: gql`query Message($id: ID!) { message(id: $id) { ...MessageFields thread { id title } } } ${MESSAGE_FIELDS}`,
  models: gql`query Models($id: ID!) { message(id: $id) { id metrics { model timing { latencyMs } } } }`,
  usage: gql`query Usage($id: ID!) { message(id: $id) { id metrics { usage { totalTokens } timing { startedAt } } } }`,
  chat: gql`query Chat($id: ID!) { thread(id: $id) { id updatedAt messageCount messages { ...MessageFields } } } ${MESSAGE_FIELDS}`,
  save: gql`
    mutation Save($thread: ThreadInput!, $ifUnmodifiedSince: DateTime) {
      saveThread(thread: $thread, ifUnmodifiedSince: $ifUnmodifiedSince) { id title updatedAt }
    }
  `,
  add: gql`
    mutation Add($threadId: ID!, $message: MessageInput!) {
      addMessage(threadId: $threadId, message: $message) { ...MessageFields thread { id updatedAt messageCount } }
    }
    ${MESSAGE_FIELDS}
  `,
  addSeveral: gql`
    mutation AddSeveral($threadId: ID!, $messages: [MessageInput!]!) {
      addMessages(threadId: $threadId, messages: $messages) { ...MessageFields }
    }
    ${MESSAGE_FIELDS}
  `,
  remove: gql`mutation Remove($id: ID!) { deleteThread(id: $id) }`,
};

const test = (name, body) => nodeTest(name, { timeout: testTimeout }, body);

let data; // the threads of the file
let schema; // the server's, by introspection
let possibleTypes; // of the server's unions

before(async () => {
  data = await readData();
  const everything = { descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true };
  const introspection = await ask(getIntrospectionQuery(everything));
  schema = buildClientSchema(introspection);
  possibleTypes = Object.fromEntries(
    introspection.__schema.types.filter((type) => type.possibleTypes).map((type) => [type.name, type.possibleTypes.map(({ name }) => name)]),
  );
});

// Whatever Apollo has to say on the console is about lost cache data, missing fields or misuse: it fails the test.
const consoleMethods = ['log', 'info', 'warn', 'error', 'debug'];
let complaints = [];
beforeEach(() => {
  complaints = [];
  for (const method of consoleMethods) mock.method(console, method, (...args) => complaints.push(`${method}: ${format(...args)}`));
});
afterEach(() => {
  mock.restoreAll();
  assert.deepEqual(complaints, [], 'Apollo complained on the console');
});

/** A client, stopped when the test ends, that counts its requests by method. */
function newClient(t, { typePolicies, cache = new InMemoryCache({ possibleTypes, typePolicies }), ...link } = {}) {
  const requests = { GET: 0, POST: 0 };
  const counted = (input, init) => {
    requests[init.method]++;
    return boundedFetch(input, init);
  };
  const client = new ApolloClient({ cache, link: new HttpLink({ uri: endpoint, fetch: counted, ...link }) });
  t.after(() => client.stop());
  return Object.assign(client, { requests });
}

/** A new thread, deleted when the test ends. Every message of it gets an id. */
async function newThread(t, thread = {}) {
  const id = newID('thread');
  t.after(() => ask('mutation($id: ID!) { deleteThread(id: $id) }', { id }));
  const messages = thread.messages?.map((message) => ({ id: newID('message'), ...message }));
  await ask('mutation($thread: ThreadInput!) { saveThread(thread: $thread) { id } }', { thread: { ...thread, id, messages } });
  return { ...thread, id, messages };
}

const newID = (kind) => `clients-${kind}-${randomUUID()}`;

/** A query watched until the test ends: the data of each of its states, and a way to wait for one. */
function watch(t, client, options) {
  const query = client.watchQuery(options);
  const states = [];
  const changes = new EventEmitter();
  const subscription = query.subscribe(({ data, error, loading }) => {
    if (loading) return;
    assert.equal(error, undefined);
    states.push(data);
    changes.emit('state');
  });
  t.after(() => subscription.unsubscribe());
  async function shown(asWished = () => true) {
    // AbortSignal.timeout would let the process end while nothing else is awaited.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error('the watched query has not shown it in time')), watchTimeout);
    try {
      while (states.length === 0 || !asWished(states.at(-1))) await once(changes, 'state', { signal: late.signal });
      return states.at(-1);
    } finally {
      clearTimeout(timer);
    }
  }
  return { query, states, shown };
}

/** The error of a request that must fail, which must be the server's own, with one of its codes. */
async function refusal(promise, code) {
  const error = await promise.then(
    () => assert.fail(`not refused with ${code}`),
    (reason) => reason,
  );
  assert.ok(CombinedGraphQLErrors.is(error), `${error?.name} instead of the server's errors: ${error?.message}`);
  assert.deepEqual(error.errors.map(({ extensions }) => extensions?.code), [code]);
  assert.match(error.errors[0].extensions.requestId, /./);
  return error.errors[0];
}

/** An answer without the type names that Apollo asks for. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '__typename').map(([key, child]) => [key, plain(child)]));
}

/** A time of the file as the API writes it: UTC with Z, to the microsecond, without zeros at the end. */
function utc(time) {
  if (time === null || time === undefined) return null;
  const [, second, fraction = '', zone] = time.match(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/);
  const digits = fraction.slice(0, 6).replace(/0+$/, '');
  return `${new Date(second + zone).toISOString().slice(0, 19)}${digits && `.${digits}`}Z`;
}

/** What the API must say of a thread of the file. */
function expectedThread(thread) {
  let sequence = 0; // it is assigned by place; the file's is not read
  return {
    id: thread.id,
    title: thread.title,
    attributes: thread.attributes ?? {},
    source: thread.source ?? null,
    createdAt: utc(thread.created_at),
    updatedAt: utc(thread.updated_at),
    messageCount: thread.messages.length,
    messages: thread.messages.map((message) => expectedMessage(message, message.role === 'system' ? 0 : ++sequence)),
  };
}

function expectedMessage(message, sequence) {
  const { model, timing, usage, weave_call: weaveCall } = message.metrics;
  return {
    id: message.id,
    role: message.role.toUpperCase(),
    sequence,
    content: message.content,
    name: message.name ?? null,
    toolCallId: message.tool_call_id ?? null,
    attributes: message.attributes ?? {},
    timestamp: utc(message.timestamp),
    source: message.source ?? null,
    parts: message.content === null ? [] : [{ text: message.content }],
    toolCalls: (message.tool_calls ?? []).map(expectedToolCall),
    attachments: [], // the file has none
    metrics: {
      model,
      timing: { startedAt: utc(timing.started_at), endedAt: utc(timing.ended_at), latencyMs: timing.latency },
      usage: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens, totalTokens: usage.total_tokens },
      weaveCall: weaveCall.id === '' ? null : { callId: weaveCall.id, uiUrl: weaveCall.ui_url },
    },
  };
}

const expectedToolCall = ({ id, type, function: { name, arguments: args } }) => ({ callId: id, type, function: { name, arguments: args } });

/** Compares an answer with a thread of the file, message by message, so that a difference is told in a few lines. */
function assertThread(answer, thread) {
  const { messages: got, ...gotRest } = plain(answer);
  const { messages: want, ...wantRest } = expectedThread(thread);
  assert.deepEqual(gotRest, wantRest);
  assert.deepEqual(got.map(({ id }) => id), want.map(({ id }) => id));
  for (const [i, message] of got.entries()) assert.deepEqual(message, want[i]);
}

/** The longest thread of the file. */
const longest = () => data.reduce((a, b) => (b.messages.length > a.messages.length ? b : a));

test('lost cache data would be seen here', () => {
  // A made-up type, since Apollo warns once for each field of each type.
  const cache = new InMemoryCache();
  const write = (selection, child) =>
    cache.writeQuery({ query: gql(`{ parent { id child { ${selection} } } }`), data: { parent: { __typename: 'Parent', id: '1', child: { __typename: 'Child', ...child } } } });
  write('a', { a: 1 });
  write('b', { b: 2 });
  const warnings = complaints.splice(0);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /^warn: Cache data may be lost when replacing the child field of a Parent object/);
});

test('graphql-js accepts the introspected schema, and every document of these tests against it', () => {
  assert.deepEqual(validateSchema(schema), []);
  for (const [name, document] of Object.entries(documents)) assert.deepEqual(validate(schema, document), [], name);
  assert.deepEqual([...possibleTypes.ContentPart].sort(), ['ImagePart', 'TextPart']);
  assert.equal(schema.getType('ContentPartInput').isOneOf, true);
});

test('introspection answers null for what a kind of type cannot have', async () => {
  // As the specification has it ("All other fields must return null"). Scripts that collect possibleTypes rely on it.
  const owners = {
    fields: ['OBJECT', 'INTERFACE'],
    interfaces: ['OBJECT', 'INTERFACE'],
    possibleTypes: ['UNION', 'INTERFACE'],
    enumValues: ['ENUM'],
    inputFields: ['INPUT_OBJECT'],
    isOneOf: ['INPUT_OBJECT'],
  };
  const { __schema: { types } } = await ask(`{
    __schema { types { kind name fields { name } interfaces { name } possibleTypes { name } enumValues { name } inputFields { name } isOneOf } }
  }`);
  const wrong = {}; // field -> types
  for (const [field, kinds] of Object.entries(owners)) {
    const offending = types.filter((type) => (type[field] !== null) !== kinds.includes(type.kind));
    if (offending.length > 0) wrong[field] = offending.map(({ kind, name }) => `${kind} ${name}`).slice(0, 3);
  }
  assert.deepEqual(wrong, {});
});

test('every message and tool call of every thread of the file is read as it is there, also from the cache', async (t) => {
  const client = newClient(t);
  let messages = 0;
  let toolCalls = 0;
  for (const thread of data) {
    const { data: answer } = await client.query({ query: documents.thread, variables: { id: thread.id } });
    assertThread(answer.thread, thread);
    for (const { parts } of answer.thread.messages) assert.ok(parts.every((part) => part.__typename === 'TextPart'));
    messages += thread.messages.length;
    toolCalls += thread.messages.reduce((sum, message) => sum + (message.tool_calls?.length ?? 0), 0);
  }
  t.diagnostic(`${data.length} threads, ${messages} messages, ${toolCalls} tool calls compared`);
  assert.equal(client.requests.POST, data.length);

  // The same again after all of it was written into one cache: an entity that took another's place would show now.
  for (const thread of data) {
    assertThread(client.readQuery({ query: documents.thread, variables: { id: thread.id } })?.thread, thread);
  }
});

test('the cache keeps threads and messages apart by id, and does not merge tool calls of equal callId', async (t) => {
  const owners = new Map(); // callId -> ids of the messages that have it
  for (const message of data.flatMap((thread) => thread.messages)) {
    for (const { id } of message.tool_calls ?? []) owners.set(id, [...(owners.get(id) ?? []), message.id]);
  }
  const repeated = [...owners.values()].filter((ids) => ids.length > 1).flat();
  assert.ok(repeated.length > 0, 'no callId of the file repeats');

  const client = newClient(t);
  for (const { id } of data) await client.query({ query: documents.thread, variables: { id } });
  const { ROOT_QUERY, __META, ...entities } = client.cache.extract();
  const ids = [...data.map(({ id }) => `Thread:${id}`), ...data.flatMap((thread) => thread.messages.map(({ id }) => `Message:${id}`))];
  assert.deepEqual(Object.keys(entities).sort(), ids.sort());

  const stored = new Map(data.flatMap((thread) => thread.messages).map((message) => [message.id, message]));
  for (const id of repeated) {
    assert.deepEqual(plain(entities[`Message:${id}`].toolCalls), stored.get(id).tool_calls.map(expectedToolCall));
  }
  t.diagnostic(`${repeated.length} messages share their callId with another`);

  // The same callId in two messages of one thread, with different calls, in one answer and one after the other.
  const call = (args) => ({ role: 'ASSISTANT', toolCalls: [{ callId: 'call_1', type: 'function', function: { name: 'look', arguments: args } }] });
  const own = await newThread(t, { messages: [call('{"at":1}'), call('{"at":2}')] });
  const third = { id: newID('message'), ...call('{"at":3}') };
  await client.query({ query: documents.thread, variables: { id: own.id } });
  await client.mutate({ mutation: documents.add, variables: { threadId: own.id, message: third } });
  const cached = client.cache.extract();
  const args = [...own.messages, third].map(({ id }) => cached[`Message:${id}`].toolCalls.map((c) => [c.callId, c.function.arguments]));
  assert.deepEqual(args, [[['call_1', '{"at":1}']], [['call_1', '{"at":2}']], [['call_1', '{"at":3}']]]);
});

test('one message reached over three paths is one entity', async (t) => {
  const client = newClient(t);
  const [thread] = data;
  const answer = thread.messages.find(({ role }) => role === 'tool');
  await client.query({ query: documents.thread, variables: { id: thread.id } });
  await client.query({ query: documents.rootMessages, variables: { id: thread.id, roles: ['TOOL'] } });
  const { data: found } = await client.query({ query: documents.message, variables: { id: answer.id } });
  assert.equal(found.message.toolCallId, answer.tool_call_id);
  assert.deepEqual(plain(found.message.thread), { id: thread.id, title: thread.title });

  const { ROOT_QUERY: root, __META, ...entities } = client.cache.extract();
  assert.equal(Object.keys(entities).length, 1 + thread.messages.length);
  const reference = { __ref: `Message:${answer.id}` };
  assert.deepEqual(root[`message({"id":"${answer.id}"})`], reference);
  assert.ok(root[`messages({"roles":["TOOL"],"threadId":"${thread.id}"})`].some(({ __ref }) => __ref === reference.__ref));
  assert.deepEqual(entities[reference.__ref].thread, { __ref: `Thread:${thread.id}` });
});

test('windows of the same messages do not overwrite each other', async (t) => {
  const client = newClient(t);
  const { id, messages } = longest();
  const { data: answer } = await client.query({ query: documents.windows, variables: { id } });
  const ids = (list) => list.map((message) => message.id);
  const answers = messages.filter(({ role }) => role === 'tool');
  assert.deepEqual(plain(answer.thread), {
    id,
    opening: ids(messages.slice(0, 2)).map((id) => ({ id })),
    ending: ids(messages.slice(-2)).map((id) => ({ id })),
    answers: ids(answers).map((id) => ({ id })),
    messageCount: messages.length,
    answerCount: answers.length,
  });
  assert.deepEqual(client.readQuery({ query: documents.windows, variables: { id } }), answer);
});

test('offsetLimitPagination walks all threads without overlap or gap', async (t) => {
  const client = newClient(t, { typePolicies: { Query: { fields: { threads: offsetLimitPagination() } } } });
  const walked = await walk(t, client, { query: documents.threads, variables: {} }, 'threads', 30);
  const ids = walked.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, 'a thread appears twice');
  assert.deepEqual(data.map(({ id }) => id).filter((id) => !ids.includes(id)), []);

  // Newest first; equal times by id, descending.
  const sorted = [...walked].sort((a, b) => byBytes(sortable(b.updatedAt), sortable(a.updatedAt)) || byBytes(b.id, a.id));
  assert.deepEqual(ids, sorted.map(({ id }) => id));

  // The pages make the list that another page size makes.
  assert.deepEqual(ids, await allThreads());
});

/** The ids of all threads, in the order of the list. */
async function allThreads() {
  const listed = [];
  for (let page; page === undefined || page.length > 0; listed.push(...page)) {
    ({ threads: page } = await ask('query($offset: Int!) { threads(limit: 100, offset: $offset) { id } }', { offset: listed.length }));
  }
  return listed.map(({ id }) => id);
}

const relayStyle = { typePolicies: { Query: { fields: { threadConnection: relayStylePagination() } } } };

test('relayStylePagination walks all threads forward, in one list of the cache', async (t) => {
  const client = newClient(t, relayStyle);
  const first = 30;
  const watched = watch(t, client, { query: documents.pages, variables: { first } });
  let { threadConnection: shown } = await watched.shown();
  let fetched = 1;
  while (shown.pageInfo.hasNextPage) {
    const { data: page } = await watched.query.fetchMore({ variables: { after: shown.pageInfo.endCursor } });
    const { edges, pageInfo } = page.threadConnection;
    assert.ok(edges.length === first || !pageInfo.hasNextPage, 'a page is not full and not the last');
    assert.equal(pageInfo.hasPreviousPage, true);
    const before = shown.edges;
    ({ threadConnection: shown } = await watched.shown(({ threadConnection }) => threadConnection.edges.length === before.length + edges.length));
    assert.deepEqual(shown.edges, [...before, ...edges], 'the page was not put behind those before it');
    fetched++;
  }
  const ids = await allThreads();
  assert.deepEqual(shown.edges.map(({ node }) => node.id), ids);
  assert.equal(shown.totalCount, ids.length);
  assert.deepEqual([fetched, client.requests.POST], [Math.ceil(ids.length / first), fetched]);
  assert.deepEqual(plain(shown.pageInfo), {
    hasNextPage: false, hasPreviousPage: false, startCursor: shown.edges[0].cursor, endCursor: shown.edges.at(-1).cursor,
  });

  // The whole list, and each thread of it, are in the cache: another query for it asks nobody.
  const { data: again } = await client.query({ query: documents.pages, variables: { first } });
  assert.deepEqual(again.threadConnection, shown);
  const thread = client.readFragment({ id: `Thread:${ids.at(-1)}`, fragment: gql`fragment Title on Thread { title }` });
  assert.equal(thread.title, shown.edges.at(-1).node.title);
  assert.equal(client.requests.POST, fetched);
});

test('relayStylePagination walks all threads backward', async (t) => {
  const client = newClient(t, relayStyle);
  const last = 30;
  const watched = watch(t, client, { query: documents.lastPages, variables: { last } });
  let { threadConnection: shown } = await watched.shown();
  while (shown.pageInfo.hasPreviousPage) {
    const { length } = shown.edges;
    await watched.query.fetchMore({ variables: { before: shown.pageInfo.startCursor } });
    ({ threadConnection: shown } = await watched.shown(({ threadConnection: { edges } }) => edges.length > length));
  }
  assert.deepEqual(shown.edges.map(({ node }) => node.id), await allThreads());
});

test('offsetLimitPagination keeps searches for different attributes apart', async (t) => {
  const client = newClient(t, { typePolicies: { Query: { fields: { findThreadsByAttributes: offsetLimitPagination(['attributes']) } } } });
  const trials = [0, 1];
  const found = [];
  for (const trial of trials) {
    const variables = { attributes: { domain: 'airline', trial } };
    found.push(await walk(t, client, { query: documents.find, variables }, 'findThreadsByAttributes', 10));
  }
  for (const [i, trial] of trials.entries()) {
    const expected = data.filter(({ attributes }) => attributes.domain === 'airline' && attributes.trial === trial);
    assert.ok(expected.length > 10, 'no second page to find');
    assert.deepEqual(found[i].map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
  }
});

/** Fetches page after page, until one is not full, and returns what the watched query shows then: the whole list. */
async function walk(t, client, { query, variables }, field, limit) {
  const watched = watch(t, client, { query, variables: { ...variables, limit, offset: 0 } });
  let page = await watched.shown();
  for (let offset = limit; page[field].length === limit; offset += limit) {
    ({ data: page } = await watched.query.fetchMore({ variables: { offset } }));
    await watched.shown((list) => list[field].length === offset + page[field].length);
  }
  return watched.states.at(-1)[field];
}

/** Makes times as the API writes them sort as text. */
const sortable = (time) => time.replace(/(?:\.(\d+))?Z$/, (_, fraction = '') => `.${fraction.padEnd(6, '0')}`);
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

// Joins windows as they come, so that an overlap or a gap between them is not healed but shows.
const joinWindows = {
  keyArgs: ['roles'],
  merge: (existing = [], incoming, { args }) => (args?.beforeSequence == null ? [...existing, ...incoming] : [...incoming, ...existing]),
};

test('messages page forward by first and afterSequence', async (t) => {
  const client = newClient(t, { typePolicies: { Thread: { fields: { messages: joinWindows } } } });
  const thread = longest();
  const others = expectedThread(thread).messages.filter(({ role }) => role !== 'SYSTEM'); // those have no sequence of their own
  const first = 10;
  const watched = watch(t, client, { query: documents.forward, variables: { id: thread.id, first, afterSequence: 0 } });
  let page = await watched.shown();
  for (let length = first; page.thread.messages.length === first; ) {
    ({ data: page } = await watched.query.fetchMore({ variables: { afterSequence: page.thread.messages.at(-1).sequence } }));
    length += page.thread.messages.length;
    await watched.shown((joined) => joined.thread.messages.length === length);
  }
  assert.deepEqual(plain(watched.states.at(-1).thread.messages), others.map(({ id, sequence }) => ({ id, sequence })));
  assert.equal(client.requests.POST, Math.floor(others.length / first) + 1);
});

test('messages page backward by last and beforeSequence, to the system message', async (t) => {
  const client = newClient(t, { typePolicies: { Thread: { fields: { messages: joinWindows } } } });
  const thread = longest();
  const last = 10;
  const watched = watch(t, client, { query: documents.backward, variables: { id: thread.id, last } });
  let page = await watched.shown();
  for (let length = last; page.thread.messages.length === last; ) {
    ({ data: page } = await watched.query.fetchMore({ variables: { beforeSequence: page.thread.messages[0].sequence } }));
    length += page.thread.messages.length;
    await watched.shown((joined) => joined.thread.messages.length === length);
  }
  const expected = expectedThread(thread).messages.map(({ id, sequence }) => ({ id, sequence }));
  assert.deepEqual(plain(watched.states.at(-1).thread.messages), expected);
});

test('what was read can be written and read in the cache, and kept for another client', async (t) => {
  const client = newClient(t);
  const request = { query: documents.thread, variables: { id: data[0].id } };
  await client.query(request);
  const before = client.readQuery(request);

  client.writeQuery({ ...request, data: { thread: { ...before.thread, title: 'Only in this cache', attributes: { 'a.b': [1, { c: null }] } } } });
  const after = client.readQuery(request);
  assert.equal(after.thread.title, 'Only in this cache');
  assert.deepEqual(after.thread.attributes, { 'a.b': [1, { c: null }] });
  assert.deepEqual(after.thread.messages, before.thread.messages);
  // The entity was changed, so another query sees it too, without asking the server.
  const { data: title } = await client.query({ query: documents.title, variables: request.variables, fetchPolicy: 'cache-only' });
  assert.equal(title.thread.title, 'Only in this cache');

  const cache = new InMemoryCache({ possibleTypes }).restore(JSON.parse(JSON.stringify(client.extract())));
  const other = newClient(t, { cache });
  assert.deepEqual((await other.query(request)).data, after);
  assert.deepEqual(other.requests, { GET: 0, POST: 0 });
  // The server was not touched, and its word replaces the cache's.
  assert.deepEqual((await other.query({ ...request, fetchPolicy: 'network-only' })).data, before);
  assert.deepEqual(other.readQuery(request), before);
});

test('a message with everything comes back as it was sent, its parts by their types', async (t) => {
  const client = newClient(t);
  const { id: threadId } = await newThread(t);
  const message = {
    id: newID('message'),
    role: 'ASSISTANT',
    name: 'Zoë 🦜',
    attributes: { tags: ['a', 'b'], nested: { 'key.with "dots"': 0.1, empty: {} }, none: null },
    timestamp: '2024-05-15T17:00:00.123456+02:00',
    source: { id: 'u1', type: 'agent' },
    toolCalls: [
      { callId: 'call_1', type: 'function', function: { name: 'search', arguments: '{"q": "x"}' } },
      { callId: 'call_2', type: 'function', function: { name: 'search', arguments: 'not JSON' } },
    ],
    attachments: [
      { filename: 'a.pdf', mimeType: 'application/pdf', fileId: 'f1', storagePath: 'a/a.pdf', storageBackend: 'local', status: 'STORED', attributes: { pages: 3 } },
      { filename: 'b.txt' },
    ],
    metrics: {
      model: 'gpt-4o',
      timing: { startedAt: '2024-05-15T15:00:00Z', endedAt: '2024-05-15T15:00:01.5Z', latencyMs: 1500.25 },
      usage: { promptTokens: 1200, completionTokens: 34, totalTokens: 1234 },
      weaveCall: { callId: 'w1', uiUrl: 'https://example.com/w1' },
    },
    parts: [{ text: 'Look:' }, { imageUrl: 'https://example.com/a.png' }, { text: '' }],
  };
  const { data: answer } = await client.mutate({ mutation: documents.add, variables: { threadId, message } });
  const expected = {
    ...message,
    sequence: 1,
    content: 'Look:\n',
    toolCallId: null,
    timestamp: '2024-05-15T15:00:00.123456Z',
    parts: [
      { __typename: 'TextPart', text: 'Look:' },
      { __typename: 'ImagePart', url: 'https://example.com/a.png' },
      { __typename: 'TextPart', text: '' },
    ],
    attachments: [message.attachments[0], { filename: 'b.txt', mimeType: null, fileId: null, storagePath: null, storageBackend: null, status: 'PENDING', attributes: null }],
  };
  const { thread, ...stored } = answer.addMessage;
  assert.deepEqual({ ...plain(stored), parts: stored.parts }, expected);
  assert.deepEqual([thread.id, thread.messageCount], [threadId, 1]);

  // From the cache, by a fragment on the entity: the union's members are told apart by possibleTypes.
  const cached = client.readFragment({ id: `Message:${message.id}`, fragment: MESSAGE_FIELDS, fragmentName: 'MessageFields' });
  assert.deepEqual({ ...plain(cached), parts: cached.parts }, expected);
  // From the server.
  const { data: read } = await client.query({ query: documents.message, variables: { id: message.id }, fetchPolicy: 'network-only' });
  const { thread: owner, ...again } = read.message;
  assert.deepEqual({ ...plain(again), parts: again.parts }, expected);
  assert.equal(owner.id, threadId);

  // Sent again, as after a lost answer: the same message, and the cache does not change.
  const before = client.cache.extract();
  const { data: resent } = await client.mutate({ mutation: documents.add, variables: { threadId, message } });
  assert.deepEqual(resent, answer);
  assert.deepEqual(client.cache.extract(), before);
});

test('several messages are appended at once', async (t) => {
  const client = newClient(t);
  const { id: threadId } = await newThread(t, { messages: [{ role: 'USER', content: 'Hello' }] });
  const messages = [
    { id: newID('message'), role: 'ASSISTANT', toolCalls: [{ callId: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }] },
    { id: newID('message'), role: 'TOOL', toolCallId: 'call_1', name: 'look', content: '' },
  ];
  const { data: answer } = await client.mutate({ mutation: documents.addSeveral, variables: { threadId, messages } });
  assert.deepEqual(answer.addMessages.map(({ id, sequence }) => [id, sequence]), [[messages[0].id, 2], [messages[1].id, 3]]);
  assert.equal(answer.addMessages[1].content, '');
  const { data: read } = await client.query({ query: documents.thread, variables: { id: threadId } });
  assert.deepEqual(read.thread.messages.slice(1), answer.addMessages);
});

test('metrics of which some are omitted take the defaults of the others', async (t) => {
  const client = newClient(t);
  const { id: threadId } = await newThread(t);
  const defaults = { timing: { startedAt: null, endedAt: null, latencyMs: 0 }, usage: { promptTokens: 0, completionTokens: 0, totalTokens: 0 } };
  const cases = [
    [{ usage: { totalTokens: 3 } }, { ...defaults, usage: { ...defaults.usage, totalTokens: 3 } }],
    [{ usage: {} }, defaults],
    [{ timing: { startedAt: '2024-05-15T15:00:00Z' } }, { ...defaults, timing: { ...defaults.timing, startedAt: '2024-05-15T15:00:00Z' } }],
    [{ timing: { latencyMs: null }, usage: { totalTokens: null, promptTokens: null, completionTokens: null } }, defaults],
    [{ timing: null, usage: null, weaveCall: null }, defaults],
  ];
  for (const [metrics, expected] of cases) {
    const variables = { threadId, message: { role: 'ASSISTANT', metrics } };
    const { data: answer, error } = await client.mutate({ mutation: documents.add, variables, errorPolicy: 'all' });
    assert.equal(error?.message, undefined, `metrics ${JSON.stringify(metrics)}`);
    assert.deepEqual(plain(answer.addMessage.metrics), { model: null, weaveCall: null, ...expected });
  }
});

test('metrics asked for piece by piece are merged, by the policy Apollo has for objects without an id', async (t) => {
  const merge = { merge: true };
  const client = newClient(t, { typePolicies: { MessageMetrics: merge, MessageTiming: merge, TokenUsage: merge } });
  const metrics = { model: 'm', timing: { startedAt: '2024-05-15T15:00:00Z', latencyMs: 2 }, usage: { promptTokens: 1, completionTokens: 2, totalTokens: 3 } };
  const { messages: [{ id }] } = await newThread(t, { messages: [{ role: 'ASSISTANT', metrics }] });
  await client.query({ query: documents.models, variables: { id } });
  await client.query({ query: documents.usage, variables: { id } });
  assert.deepEqual(plain(client.readQuery({ query: documents.models, variables: { id } })), { message: { id, metrics: { model: 'm', timing: { latencyMs: 2 } } } });
  assert.deepEqual(plain(client.readQuery({ query: documents.usage, variables: { id } })), {
    message: { id, metrics: { usage: { totalTokens: 3 }, timing: { startedAt: '2024-05-15T15:00:00Z' } } },
  });
});

test('a saved title reaches a watched query through the cache', async (t) => {
  const client = newClient(t);
  const { id } = await newThread(t, { title: 'Before', messages: [{ role: 'USER', content: 'Hello' }] });
  const watched = watch(t, client, { query: documents.thread, variables: { id } });
  const before = await watched.shown();
  assert.equal(before.thread.title, 'Before');

  const { data: saved } = await client.mutate({ mutation: documents.save, variables: { thread: { id, title: 'After ✈' }, ifUnmodifiedSince: before.thread.updatedAt } });
  const after = await watched.shown(({ thread }) => thread.title === 'After ✈');
  assert.deepEqual(after.thread, { ...before.thread, title: 'After ✈', updatedAt: saved.saveThread.updatedAt });
  assert.ok(sortable(after.thread.updatedAt) > sortable(before.thread.updatedAt));
  assert.equal(client.requests.POST, 2); // the watched query did not ask again
  const { data: stored } = await client.query({ query: documents.thread, variables: { id }, fetchPolicy: 'network-only' });
  assert.deepEqual(stored, after);

  // A save over stale data is refused, and the cache keeps what it has.
  const stale = { thread: { id, title: 'Stale' }, ifUnmodifiedSince: before.thread.updatedAt };
  await refusal(client.mutate({ mutation: documents.save, variables: stale }), 'CONFLICT');
  assert.deepEqual(watched.states.at(-1), after);

  // An explicit null clears, an omitted field stays.
  const { data: cleared } = await client.mutate({ mutation: documents.save, variables: { thread: { id, title: null } } });
  assert.equal(cleared.saveThread.title, null);
  const { data: untitled } = await client.query({ query: documents.thread, variables: { id }, fetchPolicy: 'network-only' });
  assert.equal(untitled.thread.title, null);
  assert.deepEqual(untitled.thread.messages, after.thread.messages);
});

/** What a chat window shows before the server has answered. */
function optimistic(threadId, message, { sequence, messageCount }) {
  return {
    addMessage: {
      __typename: 'Message',
      name: null, toolCallId: null, attributes: {}, source: null, toolCalls: [], attachments: [],
      ...message,
      sequence,
      timestamp: '1970-01-01T00:00:00Z', // stands out from the server's
      parts: [{ __typename: 'TextPart', text: message.content }],
      metrics: {
        __typename: 'MessageMetrics',
        model: null,
        timing: { __typename: 'MessageTiming', startedAt: null, endedAt: null, latencyMs: 0 },
        usage: { __typename: 'TokenUsage', promptTokens: 0, completionTokens: 0, totalTokens: 0 },
        weaveCall: null,
      },
      thread: { __typename: 'Thread', id: threadId, updatedAt: '1970-01-01T00:00:00Z', messageCount },
    },
  };
}

/** Appends the added message to the cached list of its thread. */
function appendMessage(cache, { data: { addMessage } }) {
  cache.modify({
    id: cache.identify(addMessage.thread),
    fields: {
      messages(messages, { storeFieldName, toReference }) {
        if (storeFieldName !== 'messages') return messages; // a window
        const added = toReference(addMessage);
        return messages.some(({ __ref }) => __ref === added.__ref) ? messages : [...messages, added];
      },
    },
  });
}

/** A watched chat of two messages, and each of its states since. */
async function openChat(t, client) {
  const { id } = await newThread(t, { messages: [{ role: 'SYSTEM', content: 'Be brief.' }, { role: 'USER', content: 'Hello' }] });
  const { states, shown } = watch(t, client, { query: documents.chat, variables: { id } });
  const opened = await shown();
  states.length = 0;
  return { id, opened, states, shown };
}

test('an added message is shown optimistically, then as stored, once', async (t) => {
  const client = newClient(t);
  const { id, opened, states, shown } = await openChat(t, client);
  const message = { id: newID('message'), role: 'ASSISTANT', content: 'Hello!' };
  const guess = optimistic(id, message, { sequence: 2, messageCount: 3 });
  const mutation = client.mutate({ mutation: documents.add, variables: { threadId: id, message }, optimisticResponse: guess, update: appendMessage });

  // Shown before the answer can be there.
  const early = client.readQuery({ query: documents.chat, variables: { id } }, true);
  assert.deepEqual(early.thread.messages.map((m) => [m.id, m.sequence]), [...opened.thread.messages.map((m) => [m.id, m.sequence]), [message.id, 2]]);
  assert.equal(early.thread.messages.at(-1).timestamp, '1970-01-01T00:00:00Z');
  assert.equal(early.thread.messageCount, 3);

  const { data: answer } = await mutation;
  const stored = await shown(({ thread: { messages } }) => messages.at(-1).timestamp === answer.addMessage.timestamp);
  const { thread, ...added } = answer.addMessage;
  assert.deepEqual(stored.thread.messages, [...opened.thread.messages, added]);
  assert.equal(stored.thread.updatedAt, thread.updatedAt);
  assert.ok(states.length >= 2 && states.every(({ thread: { messages } }) => messages.length === 3), 'the message was shown twice, or flickered');

  // But for the time, the guess was what the server has stored; and what is shown is what the server has.
  const { thread: guessedThread, timestamp: guessedTime, ...guessed } = guess.addMessage;
  const { timestamp, ...real } = added;
  assert.deepEqual(real, guessed);
  assert.equal(thread.messageCount, guessedThread.messageCount);
  const { data: read } = await client.query({ query: documents.chat, variables: { id }, fetchPolicy: 'network-only' });
  assert.deepEqual(read, stored);
});

test('an optimistic message that the server refuses is taken back', async (t) => {
  const client = newClient(t);
  const { id, opened, states, shown } = await openChat(t, client);
  await ask('mutation($id: ID!) { deleteThread(id: $id) }', { id });
  const message = { id: newID('message'), role: 'ASSISTANT', content: 'Too late' };
  const mutation = client.mutate({
    mutation: documents.add,
    variables: { threadId: id, message },
    optimisticResponse: optimistic(id, message, { sequence: 2, messageCount: 3 }),
    update: appendMessage,
  });
  await refusal(mutation, 'NOT_FOUND');
  const restored = await shown(({ thread: { messages } }) => messages.length === 2);
  assert.deepEqual(restored, opened);
  assert.ok(states.some(({ thread: { messages } }) => messages.length === 3), 'it was never shown');
  assert.equal(client.cache.extract()[`Message:${message.id}`], undefined);
});

test('a deleted thread can be evicted, with its messages', async (t) => {
  const client = newClient(t);
  const { id, messages } = await newThread(t, { messages: [{ role: 'USER', content: 'Hello' }] });
  await client.query({ query: documents.thread, variables: { id } });
  const remove = () =>
    client.mutate({
      mutation: documents.remove,
      variables: { id },
      update(cache) {
        cache.evict({ id: cache.identify({ __typename: 'Thread', id }) });
        cache.gc();
      },
    });
  assert.deepEqual((await remove()).data, { deleteThread: true });
  const cached = Object.keys(client.cache.extract());
  assert.ok(!cached.includes(`Thread:${id}`) && !cached.includes(`Message:${messages[0].id}`));
  assert.deepEqual((await remove()).data, { deleteThread: false });
  const { data: gone } = await client.query({ query: documents.thread, variables: { id }, fetchPolicy: 'network-only' });
  assert.deepEqual(gone, { thread: null });
});

test('an error has its code, whatever the error policy', async (t) => {
  const client = newClient(t);
  const request = { mutation: documents.add, variables: { threadId: newID('unknown'), message: { role: 'USER', content: 'Hello' } } };
  const error = await refusal(client.mutate(request), 'NOT_FOUND');
  assert.deepEqual(error.path, ['addMessage']);

  const { data: nothing, error: told } = await client.mutate({ ...request, errorPolicy: 'all' });
  assert.ok(CombinedGraphQLErrors.is(told));
  assert.equal(told.errors[0].extensions.code, 'NOT_FOUND');
  assert.equal(nothing ?? null, null);
  assert.deepEqual(Object.keys(client.cache.extract()).filter((key) => key.startsWith('Message:')), []);

  const negative = await refusal(client.query({ query: documents.threads, variables: { limit: -1, offset: 0 } }), 'BAD_USER_INPUT');
  assert.deepEqual(negative.extensions.argumentPath, ['limit']);
  const garbage = await refusal(client.query({ query: documents.pages, variables: { first: 1, after: 'garbage' } }), 'BAD_USER_INPUT');
  assert.deepEqual(garbage.extensions.argumentPath, ['after']);
  const { id: threadId } = await newThread(t);
  const noCall = { threadId, message: { role: 'TOOL', content: 'An answer to nothing' } };
  const toolless = await refusal(client.mutate({ mutation: documents.add, variables: noCall }), 'BAD_USER_INPUT');
  assert.deepEqual(toolless.extensions.argumentPath, ['message', 'toolCallId']);
});

test('a request that cannot be executed is told as an error of GraphQL, not of the network', async (t) => {
  const client = newClient(t);
  await refusal(client.query({ query: gql`{ threads { id nonsense } }` }), 'GRAPHQL_VALIDATION_FAILED');
  await refusal(client.query({ query: documents.threads, variables: { limit: '5', offset: 0 } }), 'BAD_USER_INPUT');
  await refusal(client.query({ query: documents.threads, variables: { limit: 5 } }), 'BAD_USER_INPUT');
  // Half of a surrogate pair, which JSON can escape and UTF-8 cannot hold: HTTP 400, before GraphQL.
  const { id: threadId } = await newThread(t);
  const half = { threadId, message: { role: 'USER', content: 'half a parrot: \ud83e' } };
  await refusal(client.mutate({ mutation: documents.add, variables: half }), 'BAD_USER_INPUT');
});

test('a part is exactly one of its kinds, in variables as in the document', async (t) => {
  const client = newClient(t);
  const { id: threadId } = await newThread(t);
  for (const part of [{ text: 'a', imageUrl: 'https://example.com/a.png' }, {}, { text: null }, { text: 'a', imageUrl: null }, { text: 5 }, { video: 'a' }]) {
    const variables = { threadId, message: { role: 'USER', parts: [part] } };
    await refusal(client.mutate({ mutation: documents.add, variables }), 'BAD_USER_INPUT');
  }
  const inline = (part) => gql(`mutation { addMessage(threadId: "${threadId}", message: { role: USER, parts: [${part}] }) { id parts { __typename } } }`);
  await refusal(client.mutate({ mutation: inline('{ text: "a", imageUrl: "b" }') }), 'GRAPHQL_VALIDATION_FAILED');
  const { data: answer } = await client.mutate({ mutation: inline('{ imageUrl: "https://example.com/a.png" }') });
  assert.deepEqual(answer.addMessage.parts, [{ __typename: 'ImagePart' }]);

  const nested = gql`
    mutation Nested($threadId: ID!, $text: String!) {
      addMessage(threadId: $threadId, message: { role: USER, parts: [{ text: $text }] }) { id content }
    }
  `;
  const { data: added } = await client.mutate({ mutation: nested, variables: { threadId, text: 'a variable within' } });
  assert.equal(added.addMessage.content, 'a variable within');
});

test('queries go by GET where the client prefers it, mutations still by POST', async (t) => {
  const client = newClient(t, { useGETForQueries: true });
  const [thread] = data;
  const { data: read } = await client.query({ query: documents.thread, variables: { id: thread.id } });
  assertThread(read.thread, thread);
  const { data: removed } = await client.mutate({ mutation: documents.remove, variables: { id: newID('unknown') } });
  assert.deepEqual(removed, { deleteThread: false });
  assert.deepEqual(client.requests, { GET: 1, POST: 1 });
});
