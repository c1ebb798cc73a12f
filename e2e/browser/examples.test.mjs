// The examples, on a store that holds five threads or more, whichever they are.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTab, picture, run, tabs, visit } from './support.mjs';

describe('each example', () => {
  const shows = {
    RecentThreads: ({ data }) => {
      assert.equal(data.threads.length, 5);
      assert.ok(data.threads.every((t) => t.messages.length === Math.min(3, t.messageCount)));
      assert.ok(data.threads.some((t) => t.messages.length > 0));
    },
    OneThread: ({ data }) => assert.ok(data.thread.messages.some((m) => m.toolCalls.length > 0)),
    FindByAttributes: ({ data }) => assert.ok(data.findThreadsByAttributes.length > 0),
    FindBySource: ({ data }) => assert.ok(data.findThreadsBySource.length > 0),
    AppendMessage: ({ data }) => assert.equal(data.addMessage.thread.messageCount, 1),
    SaveThread: ({ data }) => assert.equal(data.saveThread.messages.length, 2),
  };
  for (const [name, check] of Object.entries(shows)) {
    test(`${name} runs and shows data`, () =>
      visit({}, async (page) => {
        await openTab(page, name);
        for (const _ of 'twice') {
          const answer = await run(page);
          assert.equal(answer.errors, undefined, answer.text);
          check(answer);
        }
        await picture(page, `example-${name}`);
        assert.deepEqual(await tabs(page).allInnerTexts(), Object.keys(shows), 'the tabs have the names of the examples');
      }));
  }
});
