import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import fc from 'fast-check';
import { parse } from 'yaml';
import { EVENT_NAMES } from '../../src/contract/index.ts';
import { checker, type Document, idsIn, isHealthy, judge, requestOf, routesOf } from './openapi-fuzz.ts';
import { startApi } from './start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
let document: Document;
before(async () => {
  api = await startApi();
  document = (await (await fetch(`${api.baseUrl}/openapi.json`)).json()) as Document;
});
after(async () => {
  await api.stop();
  api.remove();
});

test('S45: every route of the app is in the document, and nothing else is', async () => {
  const there = api.routes.filter(({ method, hidden }) => !hidden && method !== 'HEAD');
  const routes = new Set(there.map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`));
  const described = new Set(routesOf(document).map(({ method, path }) => `${method} ${path}`));
  assert.deepEqual([...described].sort(), [...routes].sort());
  assert.ok(described.size > 80, `${described.size} operations`);
  const ids = new Set<string>();
  for (const { method, path, operation } of routesOf(document)) {
    assert.ok(operation.operationId, `${method} ${path} has an operationId`);
    assert.ok(operation.summary, `${method} ${path} has a summary`);
    assert.ok(!ids.has(operation.operationId), `${operation.operationId} is there once`);
    ids.add(operation.operationId);
    assert.ok(
      operation.responses[200] ?? operation.responses[204],
      `${method} ${path} says what its success looks like`,
    );
  }
  // What is left out on purpose says that it is no operation.
  const refused = api.routes.filter(({ hidden }) => hidden);
  for (const { method, url } of refused) {
    const answer = await api.call(
      method,
      url.replace('organizations/:id', `organizations/${api.owner.organizationId}`).replaceAll(/:\w+/g, 'x'),
      undefined,
      { 'x-csrf-token': 'x' },
    );
    // 403: only a person who is signed in may ask at all.
    assert.ok(answer.status === 405 || answer.status === 403, `${method} ${url}: ${answer.status}`);
  }
  console.log(`${described.size} operations, ${refused.length} methods refused`);
});

test('every event is in the document as a webhook, with when it is sent and what it holds', () => {
  const { webhooks } = document as unknown as { webhooks: Record<string, { post: { description: string } }> };
  assert.deepEqual(Object.keys(webhooks), EVENT_NAMES);
  assert.match(webhooks['video-ready']!.post.description, /Planned/);
  assert.match(JSON.stringify(webhooks['stream-warning']), /What to set, in plain words/);
});

test('the document is valid for an outside linter, and its examples for its schemas', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source: JSON.stringify(document), config });
  const shown = problems.map(
    ({ severity, ruleId, message, location }) => `${severity} ${ruleId}: ${message} ${location[0]?.pointer}`,
  );
  assert.deepEqual(
    shown.filter((line) => line.startsWith('error')),
    [],
  );
  const check = checker(document);
  let examples = 0;
  for (const { operation, path } of routesOf(document)) {
    const bodies = [operation.requestBody, ...Object.values(operation.responses)];
    for (const media of bodies.flatMap((body) => Object.values(body?.content ?? {}))) {
      if (!media.schema) continue;
      assert.notEqual(media.example, undefined, `${operation.operationId} has an example`);
      assert.equal(check(media.schema, media.example), null, `${operation.operationId} ${path}`);
      examples++;
    }
  }
  console.log(`${shown.length} warnings, ${examples} examples`);
  const yaml = await (await fetch(`${api.baseUrl}/openapi.yaml`)).text();
  assert.deepEqual(parse(yaml), document);
});

/** The headers of the first owner's session. */
async function signIn(): Promise<Record<string, string>> {
  const person = { email: 'ada@example.com', password: 'correct horse battery staple' };
  const setup = { ...person, setup_token: await api.store.setup.issue(), name: 'Ada' };
  const json = { 'content-type': 'application/json' };
  const set = await api.call('POST', '/setup', JSON.stringify(setup), json);
  assert.equal(set.status, 200, set.text);
  const signed = await api.call('POST', '/sessions', JSON.stringify(person), json);
  assert.equal(signed.status, 200, signed.text);
  const cookie = signed.headers.getSetCookie().map((one) => one.split(';')[0]);
  return { cookie: cookie.join('; '), 'x-csrf-token': signed.body.csrf_token };
}

test('a loop of odd requests: no answer outside the document, none of 5xx', { timeout: 240_000 }, async () => {
  const runs = Number(process.env.LIVEAPI_FUZZ_RUNS ?? 3000);
  const seed = Number(process.env.LIVEAPI_FUZZ_SEED ?? Date.now() % 2 ** 31);
  const check = checker(document);
  const known = [api.owner.organizationId];
  const statuses: Record<string, number> = {};
  const session = await signIn();
  // What takes away our own credentials would leave little to find; the page's script is 5 MB.
  const skip = new Set(
    routesOf(document)
      .map(({ operation }) => operation.operationId)
      .filter((id) => /ReferenceScript|SignOut|EndSession|UpdateMe$|DeleteOrganization/i.test(id)),
  );
  const wrong = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      requestOf(document, known, skip),
      fc.boolean(),
      async ({ route, url, headers, body }, signedIn) => {
        const answer = await fetch(api.baseUrl + url, {
          method: route.method,
          headers: { ...(signedIn ? session : { authorization: api.authorization }), ...headers },
          body: body ?? null,
        });
        const text = await answer.text();
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        if (known.length < 500) known.push(...idsIn(text).filter((id) => id !== api.secrets.id));
        const problem = judge(document, check, route, {
          status: answer.status,
          type: answer.headers.get('content-type') ?? '',
          text,
        });
        if (problem)
          wrong.add(`${problem}\n   ${route.method} ${url} ${JSON.stringify(headers)} ${body?.slice(0, 200)}`);
      },
    ),
    { numRuns: runs, seed, endOnFailure: true },
  );
  console.log(
    `${runs} requests, seed ${seed}, answers ${JSON.stringify(statuses)}, ${wrong.size} outside the document`,
  );
  assert.deepEqual([...wrong].slice(0, 20), []);
  assert.ok((statuses[200] ?? 0) > runs / 10, 'many succeed');
  await isHealthy(api.baseUrl);
});
