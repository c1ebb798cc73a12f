// The examples while the store changes under them. The store is empty at the start; THREADSTORE_PROGRAM is the program,
// which imports into it by the DATABASE_URL of the server.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, editor, openTab, run, tabs, visit, write } from './support.mjs';

const program = process.env.THREADSTORE_PROGRAM ?? assert.fail('THREADSTORE_PROGRAM must be set');
const importTour = () => execFileSync(program, ['import', fileURLToPath(new URL('../../docs/tour.jsonl', import.meta.url))], { stdio: 'pipe' });

async function empty() {
  for (const { id } of (await ask('{ threads(limit: 100) { id } }')).threads) await ask('mutation($id: ID!) { deleteThread(id: $id) }', { id });
}

const mine = '{"attributes": {"team": "mine"}}';
async function writeMine(page) {
  await write(page, 'editor-tool', mine);
  await page.waitForTimeout(300); // GraphiQL puts it into the tab after a tenth of a second
}
const stored = (page) => page.waitForTimeout(1500); // GraphiQL stores after half a second

const shows = {
  OneThread: ({ data }) => data.thread?.messages.length > 0,
  FindByAttributes: ({ data }) => data.findThreadsByAttributes.length > 0,
};

async function wantData(page, ...names) {
  for (const name of names) {
    await openTab(page, name);
    const answer = await run(page);
    assert.ok(shows[name](answer), `${name}: ${answer.sent} is answered by ${answer.text}`);
  }
}

async function wantMine(page) {
  await openTab(page, 'FindByAttributes');
  assert.deepEqual(JSON.parse((await run(page)).sent).variables, JSON.parse(mine), 'what the user wrote has been replaced');
}

before(async () => assert.deepEqual((await ask('{ threads { id } }')).threads, [], 'the store must be empty'));
beforeEach(empty);

for (const [way, open] of [['the first tab', 'RecentThreads'], ['an example', 'OneThread'], ['a changed tab', 'FindByAttributes']]) {
  test(`the sample data goes, others come, and the page is loaded again with ${way} open`, () =>
    visit({}, async (page) => {
      await page.getByRole('button', { name: 'Load sample data' }).click();
      await page.getByText('8 conversations').waitFor();
      await wantData(page, 'OneThread', 'FindByAttributes');
      if (open === 'FindByAttributes') await writeMine(page);
      await openTab(page, open);
      await stored(page);
      await empty();
      importTour();
      await page.reload();
      await tabs(page).nth(5).waitFor();
      assert.equal(await tabs(page).count(), 6, 'a tab has come or gone');
      assert.equal(await page.locator('.graphiql-tab-active').innerText(), open);
      if (open === 'OneThread') await editor(page, 'editor-tool').getByText('tau-airline').waitFor();
      await (open === 'FindByAttributes' ? wantMine(page) : wantData(page, 'FindByAttributes'));
      await wantData(page, 'OneThread');
    }));
}

for (const open of ['RecentThreads', 'OneThread', 'FindByAttributes']) {
  test(`an import into the empty store beside the page, with ${open} open`, () =>
    visit({}, async (page) => {
      await page.getByText('This store is empty.').waitFor();
      await openTab(page, 'FindByAttributes');
      if (open === 'FindByAttributes') await writeMine(page);
      await openTab(page, open);
      importTour();
      await page.route('**/graphql', async (route) => {
        if (/query Examples/.test(route.request().postData())) await new Promise((slept) => setTimeout(slept, 500)); // a slow choice
        await route.continue();
      });
      await page.evaluate(() => window.dispatchEvent(new Event('focus')));
      if (open === 'OneThread') assert.ok(shows.OneThread(await run(page)), 'the click that gave the window its focus ran the old variables');
      await page.locator('.first-run').waitFor({ state: 'detached' });
      await (open === 'FindByAttributes' ? wantMine(page) : wantData(page, 'FindByAttributes'));
      await wantData(page, 'OneThread');
    }));
}

test('what is still there stays, though newer threads have come', async () => {
  importTour();
  await visit({}, async (page) => {
    await openTab(page, 'OneThread');
    await stored(page);
    execFileSync(program, ['import', '--sample'], { stdio: 'pipe' });
    await page.reload();
    await editor(page, 'editor-tool').getByText('tau-airline').waitFor();
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await wantData(page, 'FindByAttributes', 'OneThread');
    await editor(page, 'editor-tool').getByText('tau-airline').waitFor();
  });
});
