import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { patience, until } from '../support/until.ts';

const EMAIL = 'ada@example.test';
const PASSWORD = 'correct horse battery';
const NEW_PASSWORD = `${PASSWORD} staple`;
/** Looks like markup wherever it is shown as such. */
const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(2)</script>`;
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'dark' } as const;
const desktop = { viewport: { width: 1280, height: 860 }, colorScheme: 'light' } as const;
const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

let browser: Browser;
let server: TestServer;
let receiver: Server;
/** What the receiver got, newest last; `down`: it refuses. */
const got: { readonly headers: Record<string, string>; readonly body: string }[] = [];
let down = false;
let password = PASSWORD;

before(async () => {
  receiver = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push({ headers: request.headers as Record<string, string>, body });
    response.writeHead(down ? 400 : 200, { 'content-type': 'application/json' }).end('{"seen":"by the receiver"}');
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  server = await startServer({
    env: {
      LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8',
      LIVEAPI_OUTBOUND_PORTS: String((receiver.address() as AddressInfo).port),
      LIVEAPI_WEBHOOK_ALLOW_HTTP: 'true',
    },
  });
  const [, setup_token] = /dashboard\/setup#([0-9a-f]{64})/.exec(server.output())!;
  const body = JSON.stringify({ setup_token, email: EMAIL, password: PASSWORD, name: 'Ada' });
  const headers = { 'content-type': 'application/json' };
  assert.equal((await fetch(`${server.publicUrl}/setup`, { method: 'POST', headers, body })).status, 200);
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await server?.close();
  receiver?.close();
});

interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly complaints: string[];
}

/** A browser of its own, whose complaints are kept; refusals of the API are none. */
async function visit(options: BrowserContextOptions): Promise<Visit> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(8000 * patience());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { context, page, complaints };
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${server.publicUrl}/dashboard`);
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await heading(page, 'Live streams');
}

const heading = (page: Page, name: string) => page.getByRole('heading', { name, level: 1 }).waitFor();
const dialog = (page: Page, name?: string | RegExp) => page.getByRole('dialog', name ? { name } : {});
const press = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true }).click();
const answer = (page: Page, name: string) => dialog(page).getByRole('button', { name, exact: true }).click();

async function go(page: Page, path: string, title: string): Promise<void> {
  await page.goto(`${server.publicUrl}/dashboard/${path}`);
  await heading(page, title);
}

/** What a line of the dialog holds; a secret is shown first. */
async function line(page: Page, label: string): Promise<string> {
  const box = dialog(page);
  if (label === 'Secret' || label === 'Private key')
    await box.getByRole('button', { name: `Show ${label.toLowerCase()}` }).click();
  const text = await box.getByText(label, { exact: true }).locator('..').locator('code').textContent();
  assert.doesNotMatch(text!, /•/);
  return text!;
}

test('people, tokens and webhooks are looked after in the dashboard', async () => {
  const { context, page, complaints } = await visit(desktop);
  await signIn(page);

  // Tokens: made, seen once, used, revoked.
  await go(page, 'tokens', 'Access tokens');
  await press(page, 'New access token');
  await dialog(page).getByLabel('Name').fill(`Backend ${HOSTILE}`);
  await dialog(page).getByLabel('It works').selectOption('30');
  await answer(page, 'Make it');
  const secret = await line(page, 'Secret');
  const id = await line(page, 'Token id');
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const use = async () => (await fetch(`${server.publicUrl}/live_streams`, { headers: { authorization } })).status;
  assert.equal(await use(), 200);
  await answer(page, 'I have kept it');
  await page.getByText(id).waitFor();
  assert.ok(!(await page.content()).includes(secret), 'shown once');
  await screenshot(page, 'dashboard-tokens-light');
  await press(page, `Revoke Backend ${HOSTILE}`);
  await dialog(page).getByText('cannot be undone').waitFor();
  await answer(page, 'Revoke');
  await page.getByText(id).waitFor({ state: 'detached' });
  assert.equal(await use(), 401);

  // Signing keys: made, the private half seen once, deleted.
  await press(page, 'New signing key');
  await dialog(page).getByLabel('Name').fill(`Tickets ${HOSTILE}`);
  await dialog(page).getByLabel('Algorithm').selectOption('EdDSA');
  await answer(page, 'Make it');
  const kid = await line(page, 'Key id (kid)');
  const privateKey = await line(page, 'Private key');
  assert.match(Buffer.from(privateKey, 'base64').toString(), /^-----BEGIN PRIVATE KEY-----/);
  await answer(page, 'I have kept it');
  await page.getByText(kid).waitFor();
  assert.ok(!(await page.content()).includes(privateKey), 'shown once');
  await press(page, `Delete Tickets ${HOSTILE}`);
  await answer(page, 'Delete');
  await page.getByText(kid).waitFor({ state: 'detached' });

  // Members: somebody is invited, comes, is an admin, goes.
  await go(page, 'members', 'Members');
  await press(page, 'Invite');
  await dialog(page).getByLabel('E-mail address').fill('bob@example.test');
  await answer(page, 'Invite');
  const link = await line(page, 'Link');
  assert.match(link, /\/dashboard\/invitation#[0-9a-f]{64}$/);
  await answer(page, 'I have kept it');
  await page.getByRole('region', { name: 'Invitations' }).getByText('bob@example.test').waitFor();
  const headers = { 'content-type': 'application/json' };
  const accept = JSON.stringify({ token: link.split('#')[1], name: `Bob ${HOSTILE}`, password: PASSWORD });
  const accepted = await fetch(`${server.publicUrl}/invitations/accept`, { method: 'POST', headers, body: accept });
  assert.equal(accepted.status, 200);
  await page.reload();
  await page.getByLabel(`Role of Bob ${HOSTILE}`).selectOption('admin');
  await answer(page, 'Change the role');
  await page.getByText(`Bob ${HOSTILE} is admin now.`).waitFor();
  await screenshot(page, 'dashboard-members-light');
  await press(page, `Remove Bob ${HOSTILE}`);
  await answer(page, 'Remove');
  await page.getByText('bob@example.test').waitFor({ state: 'detached' });

  // Webhooks: refused with a reason, made, tried, failed, sent again.
  const { port } = receiver.address() as AddressInfo;
  await go(page, 'webhooks', 'Webhooks');
  await page.getByText('Nobody is told yet').waitFor();
  await press(page, 'New endpoint');
  await dialog(page).getByLabel('URL').fill('http://10.0.0.1/hook');
  await answer(page, 'Make it');
  await dialog(page).getByRole('alert').waitFor();
  await dialog(page).getByLabel('URL').fill(`http://127.0.0.1:${port}/hook`);
  await dialog(page).getByLabel('Name').fill(`Backend ${HOSTILE}`);
  await dialog(page).getByLabel('these events alone').check();
  await dialog(page).getByLabel('stream-created').check();
  await dialog(page).getByLabel('stream-removed').check();
  await screenshot(page, 'dashboard-webhook-form-light');
  await answer(page, 'Make it');
  const webhook = new Webhook(await line(page, 'Secret'));
  await answer(page, 'I have kept it');
  await page.getByRole('link', { name: 'Backend' }).click();
  await heading(page, `Backend ${HOSTILE}`);
  await press(page, 'Send a test');
  await until('the test has come', 10_000, () => got.length === 1);
  webhook.verify(got[0]!.body, got[0]!.headers);
  down = true;
  const stream = await server.createLiveStream({ name: HOSTILE });
  await until('the event has come', 10_000, () => got.length === 2);
  const log = page.getByRole('region', { name: 'Deliveries' });
  await log.getByText('retrying').waitFor();
  await screenshot(page, 'dashboard-webhook-light');
  await log.getByRole('button', { name: 'stream-created' }).click();
  await dialog(page, 'Delivery').getByText('by the receiver').waitFor();
  await dialog(page, 'Delivery').getByText('"sequence": 1').waitFor();
  await screenshot(page, 'dashboard-delivery-light');
  await page.keyboard.press('Escape');
  down = false;
  await log.getByRole('button', { name: 'webhook-test' }).click();
  await answer(page, 'Send it again');
  await until('it has come again', 10_000, () => got.some((one, i) => i > 1 && one.body === got[0]!.body));
  await press(page, 'Send many again');
  await dialog(page).getByLabel('Which').selectOption('delivered');
  await dialog(page).getByLabel('Event', { exact: true }).selectOption('webhook-test');
  await answer(page, 'Send them again');
  await page.getByText(/^\d are sent again/).waitFor();
  await press(page, 'New secret');
  await answer(page, 'Make it');
  assert.match(await line(page, 'Secret'), /^whsec_/);
  await answer(page, 'I have kept it');

  // Events come by themselves.
  await go(page, 'events', 'Events');
  await page.getByLabel('Live stream', { exact: true }).selectOption(stream._id);
  await page.getByRole('button', { name: 'stream-created' }).waitFor();
  await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
  await page.getByRole('button', { name: 'stream-status-toggle' }).click();
  await dialog(page).getByText('"enabled": false').waitFor();
  await page.keyboard.press('Escape');
  await screenshot(page, 'dashboard-events-light');
  await page.getByLabel('Event', { exact: true }).selectOption('stream-removed');
  await page.getByText('Nothing like that').waitFor();

  // The organization of one's own, and the account.
  await go(page, 'account', 'Account');
  await press(page, 'New organization');
  await dialog(page).getByLabel('Name').fill(`Radio ${HOSTILE}`);
  await answer(page, 'Make it');
  await page.getByText('chosen').waitFor();
  await press(page, `Rename Radio ${HOSTILE}`);
  await dialog(page).getByLabel('Name').fill('Radio Ada');
  await answer(page, 'Rename');
  await press(page, 'Delete Radio Ada');
  assert.ok(await dialog(page).getByRole('button', { name: 'Delete the organization' }).isDisabled());
  await dialog(page).getByLabel('to confirm').fill('Radio Ada');
  await answer(page, 'Delete the organization');
  await page.getByRole('button', { name: 'Delete Radio Ada' }).waitFor({ state: 'detached' });
  const other = await visit(phone);
  await signIn(other.page);
  await page.reload();
  await press(page, /^End the session of Chrome/);
  await page.getByText('that browser is signed out').waitFor();
  await other.page.reload();
  await other.page.getByRole('button', { name: 'Sign in' }).waitFor();
  await other.context.close();
  const passwords = page.locator('section', { has: page.getByRole('heading', { name: 'Password', exact: true }) });
  await passwords.getByRole('textbox', { name: 'New password' }).fill(NEW_PASSWORD);
  await passwords.getByLabel('The password that you have now').fill('wrong');
  await press(page, 'Change the password');
  await passwords.getByRole('alert').getByText('needs your password').waitFor();
  await passwords.getByLabel('The password that you have now').fill(PASSWORD);
  await press(page, 'Change the password');
  await page.getByText('Your new password is saved.').waitFor();
  password = NEW_PASSWORD;
  await page.getByLabel('Your name').fill(`Ada ${HOSTILE}`);
  await press(page, 'Save');
  await page.getByText('Your name is saved.').waitFor();
  assert.deepEqual([...complaints, ...other.complaints], []);
  await context.close();
});

test('every page reads well: axe finds nothing, nothing sticks out, on a desk and on a phone, light and dark', async () => {
  const pages = [
    ['webhooks', 'Webhooks'],
    ['events', 'Events'],
    ['usage', 'Usage'],
    ['tokens', 'Access tokens'],
    ['members', 'Members'],
    ['status', 'Status'],
    ['changelog', 'Changelog'],
    ['account', 'Account'],
  ] as const;
  const { port } = receiver.address() as AddressInfo;
  const body = { name: 'Studio', url: `http://127.0.0.1:${port}/${'long/'.repeat(30)}` };
  const { _id } = await server.api('POST', '/webhook_endpoints', body);
  await server.api('POST', `/webhook_endpoints/${_id}/test`, { event: 'stream-connected' });
  for (const [look, options] of Object.entries({ 'light-desk': desktop, 'dark-phone': phone })) {
    // axe is a script that the pages' policy would not let in.
    const { context, page } = await visit({ ...options, bypassCSP: true });
    await signIn(page);
    for (const [path, title] of pages) {
      await page.evaluate(`history.pushState(null, '', '/dashboard/${path}')`);
      await heading(page, title);
      await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
      await judge(page, `${path}, ${look}`);
      if (look === 'dark-phone') await screenshot(page, `dashboard-${path}-${look}`);
    }
    await go(page, `webhooks/${_id}`, 'Studio');
    await page.getByRole('button', { name: 'stream-connected' }).click();
    await dialog(page, 'Delivery').getByText('by the receiver').waitFor();
    await judge(page, `a delivery, ${look}`);
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
    await judge(page, `an endpoint, ${look}`);
    await press(page, 'Change');
    await dialog(page).getByLabel('these events alone').check();
    await dialog(page).getByLabel('stream-connected').waitFor();
    await judge(page, `an endpoint's form, ${look}`);
    await context.close();
  }
});

async function judge(page: Page, what: string): Promise<void> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: Axe };
    // What stands around the page is the business of dashboard.test.ts.
    return (await axe.run({ include: [['#main'], ['[role=dialog]']] })).violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`,
    );
  });
  assert.deepEqual(violations, [], what);
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${what}: nothing sticks out`);
}

interface Axe {
  run(where: {
    readonly include: readonly (readonly string[])[];
  }): Promise<{ readonly violations: readonly { readonly id: string; readonly nodes: readonly { html: string }[] }[] }>;
}
