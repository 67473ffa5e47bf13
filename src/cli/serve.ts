import { type App, startApp } from '../app.ts';
import { createLogger, type Logger } from '../base/index.ts';
import type { Config } from '../config/index.ts';

/** Runs the server until SIGTERM or SIGINT. */
export async function serve(config: Config): Promise<void> {
  const log = createLogger(config.logLevel);
  const app = await startApp(config, log);
  closeOnSignal(app, log);
  console.log(banner(config, app));
}

/**
 * SIGTERM and SIGINT drain the app and close it in order; a second one ends the draining, a further one, or ten seconds of closing,
 * ends the process as it is.
 */
export function closeOnSignal(app: App, log: Logger, after: () => Promise<void> | void = () => {}): void {
  const hurry = new AbortController();
  let state: 'running' | 'draining' | 'closing' = 'running';
  const close = async (signal: NodeJS.Signals) => {
    if (state === 'closing') process.exit(1);
    log.info({ signal }, state === 'running' ? 'closing' : 'closing at once');
    if (state === 'draining') return hurry.abort();
    state = 'draining';
    await app.drain(hurry.signal);
    state = 'closing';
    setTimeout(() => {
      log.error('closing took too long');
      process.exit(1);
    }, 10_000).unref();
    await app.close();
    await after();
    log.info('closed');
    process.exit(0);
  };
  process.on('SIGTERM', close);
  process.on('SIGINT', close);
}

/** What to try first: addresses, and once the token and a line to paste. */
export function banner(config: Config, app: App): string {
  const token = app.firstToken;
  const lines = [
    '',
    'LiveAPI is running.',
    '',
    `  API          ${config.publicUrl}`,
    `  RTMP server  ${config.rtmpPublicUrl}`,
  ];
  if (app.rtmpsPort !== null) lines.push(`  RTMPS        port ${app.rtmpsPort}`);
  lines.push(`  Data         ${config.dataDir}`, '');
  if (app.setupUrl)
    lines.push(
      '  Nobody can sign in yet. This link lets the owner choose an e-mail and a password, once:',
      `    ${app.setupUrl}`,
      '',
    );
  if (token) {
    lines.push(
      '  Your first access token (production). The secret is shown this once: keep it.',
      `    id      ${token.id}`,
      `    secret  ${token.secret}`,
      '',
      '  Create a live stream:',
      `    curl -X POST -u ${token.id}:${token.secret} ${config.publicUrl}/live_streams`,
    );
  } else if (process.env.LIVEAPI_BOOTSTRAP_TOKEN) {
    lines.push(
      '  Create a live stream with the bootstrap token:',
      `    curl -X POST -u "$LIVEAPI_BOOTSTRAP_TOKEN" ${config.publicUrl}/live_streams`,
    );
  } else {
    lines.push(
      '  Create a live stream with your access token:',
      `    curl -X POST -u <token id>:<secret> ${config.publicUrl}/live_streams`,
    );
  }
  return `${lines.join('\n')}\n`;
}
