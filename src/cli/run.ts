// The command line. What runs on this machine is in local.ts; `streams`, `platforms`, `tokens`, `webhooks`, `orgs` and `events` speak to a server
// over its API. Each command, or group of commands, is one file beside this one, which is loaded when it is called. Exit codes: 0 done,
// 1 failed, 2 not called as it should be.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CodedError } from '../base/index.ts';
import { UsageError } from './api-options.ts';

/** The groups of commands that ask a server, in the order of the help. */
const GROUPS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  streams: async () => (await import('./streams.ts')).addStreams,
  platforms: async () => (await import('./platforms.ts')).addPlatforms,
  tokens: async () => (await import('./tokens.ts')).addTokens,
  webhooks: async () => (await import('./webhooks.ts')).addWebhooks,
  orgs: async () => (await import('./orgs.ts')).addOrgs,
  events: async () => (await import('./events.ts')).addEvents,
};

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('liveapi')
  .description('Live streaming as an API, on your own machine.')
  .version(version)
  .showHelpAfterError('(--help says more)')
  .exitOverride();

const asked = process.argv[2] ?? '';
if (Object.hasOwn(GROUPS, asked)) (await GROUPS[asked]!())(program);
else if (asked !== '--version' && asked !== '-V') {
  (await import('./local.ts')).addLocal(program);
  // Only the help, and what it says to a misspelt command, names those of all groups.
  if (!program.commands.some((command) => command.name() === asked))
    for (const load of Object.values(GROUPS)) (await load())(program);
}

// Whoever reads our output may have had enough of it: `liveapi events tail | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what was wrong, or shown its help, which is no error.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof CodedError || error instanceof UsageError) {
    console.error(`liveapi: ${error.message}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  } else throw error;
}
