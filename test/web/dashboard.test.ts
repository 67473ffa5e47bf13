// The dashboard against a real server with an encoder: from the first link to a live stream on air and its end. Chromium, SQLite.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { patience, until } from '../support/until.ts';

const web = fileURLToPath(new URL('../../dist/web', import.meta.url));
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const EMAIL = 'ada@example.test';
const PASSWORD = 'correct horse battery';
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 900 }, colorScheme: 'light' };
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, colorScheme: 'dark' };

const PAYLOADS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)>',
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  '</title><script>alert(1)</script>',
  '</textarea><script>alert(1)</script>',
  '</style><script>alert(1)</script>',
  '" onmouseover="alert(1)" x="',
  "' onfocus='alert(1)' autofocus='",
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)//',
  'data:text/html,<script>alert(1)</script>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<body onload=alert(1)>',
  '<details open ontoggle=alert(1)>',
  '<video><source onerror=alert(1)>',
  '<math><mtext><script>alert(1)</script></mtext></math>',
  '<a href="javascript:alert(1)">here</a>',
  '<object data="javascript:alert(1)"></object>',
  '<base href="//example.invalid/">',
  '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
  '{{constructor.constructor("alert(1)")()}}',
  '#{alert(1)}',
  '<!--><script>alert(1)</script>-->',
  ']]><script>alert(1)</script>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '\u2028<script>alert(1)</script>',
  '<x contenteditable onblur=alert(1)>lose focus</x>',
];

let server: TestServer;
let browser: Browser;
let setupLink: string;

before(async () => {
  const env = { LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8', LIVEAPI_RECONNECT_WINDOW_S: '2' };
  [server, browser] = await Promise.all([startServer({ env }), launchChromium()]);
  [setupLink] = /http\S+\/dashboard\/setup#[0-9a-f]{64}/.exec(server.output())! as unknown as [string];
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** A browser of its own; fails when a page complains (a breach of its policy too), opens a dialog or asks another server. */
async function visit(options: BrowserContextOptions, scene: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext(options);
  const complaints: string[] = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000 * patience());
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(server.publicUrl) && !/^(data|blob):/.test(request.url()))
        complaints.push(`asks ${request.url()}`);
    });
    await scene(page).catch((error: unknown) => {
      throw complaints.length > 0 ? new Error(`${String(error)}\n${complaints.join('\n')}`) : error;
    });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name, level: 1 }).waitFor();
const press = (within: Page | Locator, name: string | RegExp) =>
  within.getByRole('button', { name, exact: true }).click();
const choose = (page: Page, name: string) => page.getByRole('tab', { name }).click();
const bodyFits = async (page: Page) =>
  assert.ok(
    !(await page.evaluate('document.documentElement.scrollWidth > innerWidth')),
    `${page.url()}: nothing sticks out`,
  );

async function signIn(page: Page, path = ''): Promise<void> {
  await page.goto(`${server.publicUrl}/dashboard${path}`);
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await press(page, 'Sign in');
}

suite('the dashboard', () => {
  test('what loads first stays within 300 kB', () => {
    const html = readFileSync(`${web}/dashboard.html`, 'utf8');
    const first = [...html.matchAll(/assets\/([\w.-]+\.(?:js|css))/g)].map(([, name]) => name!);
    // And what those import before they run.
    for (const name of first)
      if (name.endsWith('.js'))
        for (const [, other] of readFileSync(`${web}/assets/${name}`, 'utf8').matchAll(
          /(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g,
        ))
          if (!first.includes(other!)) first.push(other!);
    assert.ok(
      first.length > 1 && readdirSync(`${web}/assets`).length > first.length,
      'its pages are files of their own',
    );
    const size = first.reduce((sum, name) => sum + gzipSync(readFileSync(`${web}/assets/${name}`)).length, 0) / 1000;
    console.log(`dashboard, first load, gzipped: ${size.toFixed(1)} kB`);
    assert.ok(size <= 300);
  });

  test('S40 S41 from the first link to a live stream on air, its platforms, health and end', async () => {
    const context = { ...DESKTOP, permissions: ['clipboard-read', 'clipboard-write'] };
    await visit(context, async (page) => {
      await page.goto(setupLink);
      await page.getByLabel('Your name').fill('Ada');
      await page.getByLabel('E-mail address').fill(EMAIL);
      await page.getByLabel('New password').fill(PASSWORD);
      await press(page, 'Set up');
      await page.getByRole('link', { name: 'Open the dashboard' }).click();
      await heading(page, 'Live streams');
      await page.getByText('Nothing here yet').waitFor();
      await press(page, 'New live stream');
      await heading(page, 'Live stream 1');
      const id = page.url().split('/').at(-1)!;
      const stream = await server.api('GET', `/live_streams/${id}`);

      await press(page, 'Copy stream key');
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      assert.equal(await page.evaluate('navigator.clipboard.readText()'), stream.ingest.key);
      assert.equal(await page.getByText(stream.ingest.key).count(), 0, 'the key is hidden');
      await press(page, 'Show stream key');
      await page.getByText(stream.ingest.key).waitFor();
      await press(page, 'Hide stream key');
      const file = await page.getByRole('link', { name: 'OBS service profile' }).getAttribute('href');
      const { settings } = JSON.parse(decodeURIComponent(file!.split(',')[1]!));
      assert.deepEqual([settings.server, settings.key], [stream.ingest.server, stream.ingest.key]);

      // A new key: the old one works no more.
      await press(page, 'New stream key');
      await page.getByLabel('dies at once').check();
      await press(page, 'Make a new key');
      await page.getByText('There is a new key.').waitFor();
      const renewed = await server.api('GET', `/live_streams/${id}`);
      assert.notEqual(renewed.ingest.key, stream.ingest.key);

      const flv = await makeFlv({ seconds: 30, video: { size: '640x360' }, audio: { rate: 48_000, channels: 2 } });
      const encoder = publishFile(flv, ingestUrl(renewed), { loop: true });
      try {
        // Told by the server: nobody reloads anything here.
        await page.getByText('Live', { exact: true }).waitFor();
        await page.getByText(/viewers? · [\d.]+ [kM]bit\/s/).waitFor();
        await page.frameLocator('iframe').locator('[data-state="playing"]').waitFor({ state: 'attached' });
        await screenshot(page, 'dashboard-live-stream');
        // The preview needs no password: it has a token of its own.
        await server.api('PATCH', `/live_streams/${id}`, { settings: { embed_password: 'open sesame' } });
        await page.reload();
        await page.frameLocator('iframe').locator('[data-state="playing"]').waitFor({ state: 'attached' });
        await server.api('PATCH', `/live_streams/${id}`, { settings: { embed_password: null } });

        await choose(page, 'Platforms');
        await press(page, 'Add a platform');
        const dialog = page.getByRole('dialog');
        await dialog.getByLabel('Service', { exact: true }).first().click();
        await page.getByRole('option', { name: 'Any other RTMP server' }).click();
        await dialog.getByLabel('Server', { exact: true }).first().fill('rtmp://127.0.0.1:1935/none');
        await dialog.getByLabel('Stream key').fill('a-secret-key-9876');
        await dialog.getByLabel('Name', { exact: true }).first().fill('Elsewhere');
        await press(dialog, 'Add');
        const platform = page.getByRole('region', { name: 'Elsewhere' });
        await platform.getByText('****9876').waitFor();
        await platform
          .getByText(/Trying again|Refused/)
          .first()
          .waitFor();
        await press(platform, 'Restart');
        await platform.getByRole('switch').click({ force: true });
        await platform.getByText('Paused').waitFor();
        await press(platform, 'Remove');
        await press(page.getByRole('dialog'), 'Remove');
        await page.getByText('Goes nowhere else yet').waitFor();

        await choose(page, 'Pull');
        await page.getByLabel('URL', { exact: true }).fill('rtmp://127.0.0.1:1935/none/at-all');
        await press(page, 'Save');
        await page.getByText('Saved.').waitFor();
        assert.equal(await pulledFrom(id), 'rtmp://127.0.0.1:1935/none/at-all');

        await choose(page, 'Health');
        await page.getByText('Key frame interval').waitFor();
        await page.locator('canvas').nth(5).waitFor();
        await choose(page, 'Events');
        await page.getByText('connected', { exact: true }).first().waitFor();

        await choose(page, 'Embed');
        const { embed_url, hls_url } = stream.playback;
        await page.getByText(`<iframe src="${embed_url}"`).waitFor();
        await page.getByText(hls_url).waitFor();
        await page.getByRole('img', { name: 'QR code of the player page' }).waitFor();

        await choose(page, 'Overview');
        await press(page, 'Stop');
        await press(page, 'Stop it');
        await page.getByText('Encoders are refused.').waitFor();
        await encoder.ended;
        await page.getByText('Stopped', { exact: true }).first().waitFor();
        await press(page, 'Start');
        await page.getByText('Ready for an encoder').waitFor();
        assert.equal((await server.api('GET', `/live_streams/${id}`)).enabled, true);
      } finally {
        await encoder.stop('SIGKILL');
      }

      await choose(page, 'Settings');
      await page.getByLabel('Name', { exact: true }).fill('Evening show');
      await press(page, 'Save');
      await heading(page, 'Evening show');
      await page.getByLabel('Password', { exact: true }).fill('open sesame');
      await page.getByLabel('Sites that may show it').fill('example.com\nexample.org');
      await page.getByLabel('Only in these countries').fill('DE, AT');
      await press(page, 'Save who may watch');
      await page.getByText('Saved: it holds').waitFor();
      const changed = await server.api<{ settings: Record<string, unknown> }>('GET', `/live_streams/${id}`);
      assert.deepEqual(
        [
          changed.settings.embed_password,
          changed.settings.domain_whitelist,
          changed.settings.country_whitelist,
          changed.settings.country_block,
        ],
        ['open sesame', ['example.com', 'example.org'], ['DE', 'AT'], undefined],
      );
      await press(page, 'Delete');
      assert.ok(await page.getByRole('button', { name: 'Delete it' }).isDisabled());
      await page.getByLabel(/to confirm/).fill('Evening show');
      await press(page, 'Delete it');
      await page.getByText('Nothing here yet').waitFor();
      await bodyFits(page);
    });
  });

  test('S41 S43 hostile names are text on every page; environments are apart; who signs out is out', async () => {
    const streams: LiveStream[] = [];
    for (const name of PAYLOADS) streams.push(await server.createLiveStream({ name }));
    const target = streams[0]!;
    for (const name of PAYLOADS.slice(0, 20))
      await server.api('POST', `/live_streams/${target._id}/platforms`, {
        name,
        server: 'rtmp://127.0.0.1:1935/x',
        key: name,
      });
    await visit(PHONE, async (page) => {
      await page.goto(`${server.publicUrl}/dashboard/streams/${target._id}/platforms`);
      await page.getByLabel('E-mail address').fill(EMAIL);
      await page.getByLabel('Password', { exact: true }).fill('a wrong password');
      await press(page, 'Sign in');
      await page.getByRole('alert').getByText('The e-mail address or the password is wrong.').waitFor();
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await press(page, 'Sign in');
      // Where they wanted to go.
      await heading(page, PAYLOADS[0]!);
      await page.getByRole('region', { name: PAYLOADS[1]!, exact: true }).waitFor();
      for (const tab of ['Overview', 'Pull', 'Health', 'Events', 'Embed', 'Settings']) {
        await choose(page, tab);
        await page.getByRole('tabpanel', { name: tab }).waitFor();
        await bodyFits(page);
      }
      await page.getByRole('main').getByRole('link', { name: 'Live streams' }).click();
      for (const name of PAYLOADS)
        await page.getByRole('link').getByText(name.trim(), { exact: true }).first().waitFor();
      await bodyFits(page);
      await screenshot(page, 'dashboard-phone');
      await page.getByLabel('Search live streams').fill('<video>');
      await until('one is found', 10_000, async () => (await page.locator('.row').count()) === 1);
      const go = async (name: string) => {
        await page.getByRole('button', { name: 'Navigation' }).click();
        await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
        await heading(page, new RegExp(`^${name}`));
        await bodyFits(page);
      };
      for (const name of [
        'Webhooks',
        'Events',
        'Usage',
        'Access tokens',
        'Members',
        'Status',
        'Changelog',
        'Live streams',
      ])
        await go(name);

      await page.getByRole('button', { name: 'Navigation' }).click();
      await page.getByText('Development', { exact: true }).click();
      await page.getByText('Nothing here yet').waitFor();
      await page.reload();
      await page.getByText('Nothing here yet').waitFor();
      await page.getByRole('button', { name: 'Navigation' }).click();
      await press(page, 'Your account: Ada');
      await page.getByRole('menuitem', { name: 'Sign out' }).click();
      await heading(page, 'Sign in');
      await page.reload();
      await heading(page, 'Sign in');
    });
    for (const { _id } of streams) await server.api('DELETE', `/live_streams/${_id}`);
  });

  test('axe finds nothing, desktop and light, phone and dark', async () => {
    const stream = await server.createLiveStream({ name: 'Morning service' });
    await server.api('POST', `/live_streams/${stream._id}/platforms`, {
      name: 'One',
      server: 'rtmp://127.0.0.1:1935/x',
    });
    const check = async (page: Page) => {
      const found = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
        `${axe}; axe.run({ iframes: false })`,
      );
      const words = found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)}`);
      assert.deepEqual(words, [], page.url());
    };
    for (const options of [DESKTOP, PHONE])
      await visit({ ...options, bypassCSP: true, reducedMotion: 'reduce' }, async (page) => {
        await page.goto(`${server.publicUrl}/dashboard`);
        await heading(page, 'Sign in');
        await check(page);
        await signIn(page);
        await page.getByText('Morning service').waitFor();
        await check(page);
        await page.getByText('Morning service').click();
        for (const tab of ['Overview', 'Platforms', 'Pull', 'Health', 'Events', 'Embed', 'Settings']) {
          await choose(page, tab);
          await page.getByRole('tabpanel', { name: tab }).waitFor();
          await check(page);
        }
        await press(page, 'Delete');
        await page.getByRole('dialog').waitFor();
        await check(page);
      });
  });
});

async function pulledFrom(id: string): Promise<string | undefined> {
  const { settings } = await server.api<{ settings: { pulling_mode?: { url?: string } } }>(
    'GET',
    `/live_streams/${id}`,
  );
  return settings.pulling_mode?.url;
}
