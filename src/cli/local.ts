import type { Command } from 'commander';
import { type Config, describeConfig, loadConfig } from '../config/index.ts';
import { addBackup } from './backup.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { serve } from './serve.ts';

/** The commands that run on this machine: `serve`, `demo`, `doctor`, and those of the data folder. */
export function addLocal(program: Command): void {
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
  addBackup(program);
}
