import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { startServer, type TestServer } from '../support/server.ts';

const PASSWORD = 'correct horse battery';
const phone = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };

let browser: Browser;
let server: TestServer;

before(async () => {
  server = await startServer();
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens a link in a browser of its own; the scene fails on every complaint, and where the link's secret leaves the browser. */
async function follow(link: string, options: BrowserContextOptions, scene: (page: Page) => Promise<void>) {
  const context = await browser.newContext(options);
  const secret = new URL(link).hash.slice(1);
  const complaints: string[] = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => {
      // A refusal of the API is one of the scenes.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      const { url, headers } = { url: request.url(), headers: request.headers() };
      if (!url.startsWith(server.publicUrl) && !url.startsWith('data:')) complaints.push(`asks ${url}`);
      if (secret && (url.split('#')[0]!.includes(secret) || headers.referer?.includes(secret)))
        complaints.push(`the secret is in ${url}`);
    });
    await page.goto(link);
    await scene(page);
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
    assert.ok(!wide, 'nothing sticks out');
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const heading = (page: Page, text: string | RegExp) => page.getByRole('heading', { name: text }).waitFor();

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sent
type Json = any;

/** A call in the name of somebody, in the organization that they joined or made last. */
async function as(email: string, method: string, path: string, body?: object): Promise<Json> {
  const type = { 'content-type': 'application/json' };
  const signIn = JSON.stringify({ email, password: PASSWORD });
  const session = await fetch(`${server.publicUrl}/sessions`, { method: 'POST', headers: type, body: signIn });
  const { csrf_token, organizations } = (await session.json()) as Json;
  const headers = {
    ...type,
    cookie: session.headers.getSetCookie()[0]!.split(';')[0]!,
    'x-csrf-token': csrf_token,
    'x-liveapi-organization': organizations.at(-1)._id,
  };
  const answer = await fetch(server.publicUrl + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

test('the links for set-up, invitations and passwords lead to pages that do it, dark and light, also on a phone', async () => {
  const [setupLink] = /http\S+\/dashboard\/setup#[0-9a-f]{64}/.exec(server.output())!;

  await follow(setupLink!, { colorScheme: 'dark', viewport: { width: 1280, height: 800 } }, async (page) => {
    await heading(page, 'Welcome');
    await page.getByRole('button', { name: 'Set up' }).click();
    await page.getByRole('alert').getByText('Say how you want to be called.').waitFor();
    await page.getByLabel('Your name').fill('Ada');
    await page.getByLabel('E-mail address').fill('ada@example.test');
    await page.getByLabel('New password').fill('short');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('10 characters or more').waitFor();
    await screenshot(page, 'account-setup-dark');
    await page.getByLabel('New password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await heading(page, 'All set');
    assert.equal(new URL(page.url()).hash, '');
    assert.match(
      (await page.locator('code').textContent())!,
      /^curl -X POST -u '<token id>:<secret>' http\S+\/live_streams$/,
    );
    await page.getByRole('button', { name: 'Make an access token' }).click();
    await page.getByText('It is shown this once').waitFor();
    const [, id, secret, url] = /-u (\w+):(\w+) (\S+)$/.exec((await page.locator('code').textContent())!)!;
    const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
    assert.equal(
      (await fetch(url!, { method: 'POST', headers: { authorization } })).status,
      200,
      'what is to be pasted works',
    );
    await screenshot(page, 'account-done-dark');
  });

  await follow(setupLink!, {}, async (page) => {
    await page.getByLabel('Your name').fill('Eve');
    await page.getByLabel('E-mail address').fill('eve@example.test');
    await page.getByLabel('New password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The set-up link is unknown or used').waitFor();
  });

  const { url: newcomer } = await as('ada@example.test', 'POST', '/invitations', { email: 'bob@example.test' });
  assert.match(newcomer, /\/dashboard\/invitation#[0-9a-f]{64}$/);
  await follow(newcomer, { colorScheme: 'light', ...phone }, async (page) => {
    await heading(page, 'You are invited');
    await page.getByLabel('Your name').fill('Bob');
    await page.getByLabel('New password').fill(PASSWORD);
    await screenshot(page, 'account-invitation-light-phone');
    await page.getByRole('button', { name: 'Accept' }).click();
    await heading(page, 'Welcome to My organization');
    await page.getByText('You are signed in as bob@example.test').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Make an access token' }).count(), 0);
    await page.getByText('Ask an admin').waitFor();
    await screenshot(page, 'account-done-light-phone');
  });

  const { docs } = await as('ada@example.test', 'GET', '/members');
  const bob = docs.find(({ email }: { email: string }) => email === 'bob@example.test');
  const { url: reset } = await as('ada@example.test', 'POST', `/members/${bob._id}/password_reset`);
  await follow(reset, { colorScheme: 'dark', ...phone }, async (page) => {
    await heading(page, 'A new password');
    await page.getByLabel('New password').fill(`${PASSWORD} 2`);
    await screenshot(page, 'account-password-dark-phone');
    await page.getByRole('button', { name: 'Save' }).click();
    await heading(page, 'Your new password works now');
  });
  await follow(reset, {}, async (page) => {
    await page.getByLabel('New password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('alert').getByText('The link is unknown, used or older than half an hour').waitFor();
  });

  await as('ada@example.test', 'POST', '/organizations', { name: 'Radio Ada' });
  const { url: another } = await as('ada@example.test', 'POST', '/invitations', {
    email: 'bob@example.test',
    role: 'admin',
  });
  await follow(another, { colorScheme: 'light' }, async (page) => {
    await page.getByLabel('Your name').fill('Bob');
    await page.getByLabel('New password').fill('another password');
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByText('has an account here: sign in with it').waitFor();
    await page.getByLabel('E-mail address').fill('bob@example.test');
    await page.getByLabel('Password').fill('a wrong password');
    await page.getByRole('button', { name: 'Sign in and accept' }).click();
    await page.getByRole('alert').getByText('The e-mail address or the password is wrong.').waitFor();
    await page.getByLabel('Password').fill(`${PASSWORD} 2`);
    await page.getByRole('button', { name: 'Sign in and accept' }).click();
    await heading(page, 'Welcome to Radio Ada');
    await page.getByRole('button', { name: 'Make an access token' }).waitFor();
  });

  await follow(`${server.publicUrl}/dashboard/setup#cut`, {}, async (page) => heading(page, 'This link is not whole'));

  const page = await fetch(`${server.publicUrl}/dashboard/setup`);
  const policy = page.headers.get('content-security-policy')!;
  assert.ok(policy.includes("script-src 'self';") && policy.includes("frame-ancestors 'none'"), policy);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.deepEqual(
    [page.headers.get('access-control-allow-origin'), page.headers.get('referrer-policy')],
    [null, 'no-referrer'],
  );
  for (const path of ['/dashboard/assets/other.js', '/dashboard/assets/', '/dashboardx'])
    assert.ok([401, 404].includes((await fetch(server.publicUrl + path)).status), path);
  // A visitor with a browser is shown the way.
  const root = await fetch(server.publicUrl, { headers: { accept: 'text/html,*/*' }, redirect: 'manual' });
  assert.deepEqual([root.status, root.headers.get('location')], [302, 'dashboard']);
});
