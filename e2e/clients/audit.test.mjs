// The audit of graphql-http, the reference implementation of the GraphQL-over-HTTP specification: a test for each audit.
// An unmet MUST or SHOULD fails its test; an unmet MAY is only told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { boundedFetch, endpoint, testTimeout } from './support.mjs';

const levels = { MUST: [], SHOULD: [], MAY: [] }; // level -> statuses
const audits = serverAudits({ url: endpoint, fetchFn: boundedFetch });

// The audit calls this one a MAY, because a server need not take GET at all. Ours does, which makes it a MUST of the specification.
const mutationsByGET = '9C48';

for (const { id, name, fn } of audits) {
  test(`${name} (${id})`, { timeout: testTimeout }, async (t) => {
    const level = name.match(/^(MUST|SHOULD|MAY)\b/)?.[1];
    assert.ok(level, 'an audit of an unknown level');
    const result = await fn();
    levels[level].push(result.status);
    if (result.status === 'ok') return;
    const why = await explain(result);
    if (level !== 'MAY' || id === mutationsByGET) assert.fail(why);
    t.diagnostic(`not met: ${why}`);
  });
}

test('all audits have run', (t) => {
  for (const [level, statuses] of Object.entries(levels)) {
    const met = statuses.filter((status) => status === 'ok').length;
    t.diagnostic(`${level}: ${met} of ${statuses.length} met`);
    assert.ok(statuses.length > 0, `no ${level} was audited`);
  }
  assert.ok(audits.some(({ id }) => id === mutationsByGET), 'mutations by GET were not audited');
  assert.equal(Object.values(levels).flat().length, audits.length, 'an audit ended without a result');
});

async function explain({ status, reason, response }) {
  const body = response.bodyUsed ? 'already read' : (await response.text()).slice(0, 500);
  return `${status}: ${reason}; the answer was ${response.status} ${response.headers.get('content-type')}: ${body}`;
}
