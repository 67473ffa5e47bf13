#!/usr/bin/env node
// The command line. What runs on this machine is in local.ts; `streams`, `tokens`, `webhooks`, `orgs` and `events` speak to a server
// over its API. Each command, or group of commands, is one file beside this one. Exit codes: 0 done, 1 failed, 2 not called as it
// should be.
import { Command, CommanderError } from 'commander';
import { CodedError } from '../base/index.ts';
import { UsageError } from './api-options.ts';
import { addEvents } from './events.ts';
import { addOrgs } from './orgs.ts';
import { addStreams } from './streams.ts';
import { addTokens } from './tokens.ts';
import { addWebhooks } from './webhooks.ts';

const program = new Command('liveapi')
  .description('Live streaming as an API, on your own machine.')
  .showHelpAfterError('(--help says more)')
  .exitOverride();

// The code of the server takes a second to load: who only asks one does not wait for it.
const asksServer = ['streams', 'tokens', 'webhooks', 'orgs', 'events'].includes(process.argv[2] ?? '');
if (!asksServer) (await import('./local.ts')).addLocal(program);
addStreams(program);
addTokens(program);
addWebhooks(program);
addOrgs(program);
addEvents(program);

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
