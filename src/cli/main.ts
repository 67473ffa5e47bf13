#!/usr/bin/env node
// The command line: `liveapi serve`, `liveapi demo`, `liveapi doctor`. Each command is one file beside this one.
import { Command } from 'commander';
import { CodedError } from '../base/index.ts';
import { type Config, describeConfig, loadConfig } from '../config/index.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { serve } from './serve.ts';

const program = new Command('liveapi')
  .description('Live streaming as an API, on your own machine.')
  .showHelpAfterError();

/** Adds a command whose flags are the configuration keys. */
function command(name: string, description: string, run: (config: Config) => Promise<void>): void {
  program
    .command(name)
    .description(description)
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', `\n${describeConfig()}`)
    .action(async (_options, self: Command) =>
      run(loadConfig({ argv: self.args, env: process.env, cwd: process.cwd() })),
    );
}

command('serve', 'Start the server.', serve);
command('demo', 'Start a server with a test picture, and say where to watch it.', demo);
command('doctor', 'Look at ports, data folder, ffmpeg and clock, and say what is missing.', doctor);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CodedError)) throw error;
  console.error(`liveapi: ${error.message}`);
  process.exitCode = 1;
}
