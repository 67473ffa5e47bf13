import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { startApi } from './start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
let browser: Browser;
before(async () => {
  api = await startApi();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await api.stop();
  api.remove();
});

/** Opens a page; says what it asked for elsewhere and what its policy or its scripts complained of. */
async function open(path: string) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const elsewhere: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(api.baseUrl) && !/^(data|blob):/.test(url)) elsewhere.push(url);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(api.baseUrl + path);
  return { page, elsewhere, complaints };
}

test('S41: the reference renders from this server alone, under a policy without inline scripts', async () => {
  const { page, elsewhere, complaints } = await open('/reference/');
  await page.getByText('LiveAPI, self-hosted').first().waitFor({ timeout: 30_000 });
  await page.getByText('Live streams').first().click();
  await page.getByText('Create a live stream').first().waitFor({ timeout: 30_000 });
  await screenshot(page, 'reference');
  assert.deepEqual(elsewhere, [], 'nothing is loaded from elsewhere');
  assert.deepEqual(complaints, []);
  await page.close();
  const policy = (await fetch(`${api.baseUrl}/reference`)).headers.get('content-security-policy')!;
  const scripts = /script-src ([^;]*)/.exec(policy)![1];
  assert.equal(scripts, "'self'");
});

test('S41: the changelog is a page with its own style and no script', async () => {
  const { page, elsewhere, complaints } = await open('/changelog');
  assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'Changelog');
  assert.ok((await page.getByRole('listitem').count()) > 3);
  assert.equal(await page.evaluate('getComputedStyle(document.body).maxWidth'), '736px', 'the style is applied');
  await page.getByRole('link', { name: 'API reference' }).click();
  await page.waitForURL('**/reference');
  assert.deepEqual([elsewhere, complaints], [[], []]);
  await page.close();
});

test('S44, S45: any page may use a token it holds, none what the browser holds; every answer has its headers', async () => {
  const seen = new Map<string, string>();
  for (const { method, url, hidden } of api.routes) {
    if (hidden || method === 'HEAD') continue;
    const path = url.replaceAll(/:\w+/g, 'x');
    const origin = 'https://evil.example';
    const answer = await fetch(api.baseUrl + path, { method, headers: { origin } });
    await answer.text();
    const preflight = await fetch(api.baseUrl + path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization' },
    });
    const dashboard = /^(\/v2)?\/(sessions|users|setup|password_resets|invitations|organizations|members)/.test(path);
    for (const { headers } of [answer, preflight]) {
      assert.equal(headers.get('access-control-allow-origin'), dashboard ? null : '*', `${method} ${path}`);
      assert.equal(headers.get('access-control-allow-credentials'), null);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{8}/, 'public_url is https');
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
      assert.equal(headers.get('server'), null);
      assert.equal(headers.get('x-powered-by'), null);
    }
    assert.equal(preflight.status === 204, !dashboard, `the preflight of ${method} ${path}: ${preflight.status}`);
    seen.set(`${method} ${path}`, String(answer.status));
  }
  assert.ok(seen.size > 100);
  const missing = await api.call('GET', '/no/such/thing');
  assert.equal(missing.status, 404);
  assert.ok(!/at .*\.(ts|js):\d+/.test(missing.text), 'no stack');
});
