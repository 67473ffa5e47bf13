import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ask } from '../conformance/http.ts';
import { addCanariesOf, searchCanaries } from '../support/canaries.ts';

test('S21 whatever secret goes over the clients of a test is looked for, and found', async () => {
  const answers: Record<string, object> = {
    '/stream': {
      docs: [{ _id: '64b1f0a2c3d4e5f601234567', ingest: { key: `lv_${'ab'.repeat(16)}?password=0a1b2c3d` } }],
    },
    '/platform': { name: 'elsewhere', key: 'platform-key-71' },
    '/webhook': { url: 'https://example.com/hook', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    '/session': { csrf_token: 'cZ91-csrf-token-0017' },
    '/link': { url: 'https://live.example.test/dashboard/invitation#Qm9-link_token-000001' },
  };
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('set-cookie', '__Host-session=c00kie-c00kie-c00kie-0003; Path=/; Secure');
    // In two pieces: no client gets a body whole.
    const text = JSON.stringify(answers[request.url!]);
    response.write(text.slice(0, 9));
    setImmediate(() => response.end(text.slice(9)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const authorization = `Basic ${Buffer.from('64b1f0a2c3d4e5f601234567:5ecret-5ecret-5ecret').toString('base64')}`;
  const body = { email: 'a@example.test', password: 'correct horse 7 battery' };
  addCanariesOf({ current_password: 'correct horse 8 battery' });
  await (
    await fetch(`${url}/stream`, { method: 'POST', body: JSON.stringify(body), headers: { authorization } })
  ).text();
  for (const path of ['/platform', '/webhook']) await (await fetch(url + path)).text();
  for (const path of ['/session', '/link']) {
    const answer = await ask(url + path, { alone: true, headers: { cookie: 'liveapi=other-c00kie-0000004' } });
    assert.deepEqual(JSON.parse(answer.body.toString()), answers[path]);
  }
  server.close();

  const secrets = [
    'password=0a1b2c3d',
    'platform-key-71',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'cZ91-csrf-token-0017',
    'Qm9-link_token-000001',
    'c00kie-c00kie-c00kie-0003',
    'other-c00kie-0000004',
    authorization.slice(6),
    '5ecret-5ecret-5ecret',
    'correct horse 7 battery',
    'correct horse 8 battery',
  ];
  for (const word of secrets)
    assert.throws(() => searchCanaries(`{"level":20,"msg":"odd: ${word}"}`), { message: /^S21 a (secret|URL)/ }, word);
  assert.throws(() => searchCanaries('GET /static/x?token=ffffffffffff'), /^Error: S21 a URL with its secret/);
  searchCanaries(`{"msg":"64b1f0a2c3d4e5f601234567 lv_${'ab'.repeat(16)}?… https://example.com/hook"}`);
});
