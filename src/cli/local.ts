import type { Command } from 'commander';
import { type Config, describeConfig, loadConfig } from '../config/index.ts';
import { addBackup } from './backup.ts';

/** The commands that run on this machine: `serve`, `demo`, `doctor`, and those of the data folder. */
export function addLocal(program: Command): void {
  /** Adds a command whose flags are the configuration keys. Its code is loaded when it runs. */
  function command(name: string, description: string, load: () => Promise<(config: Config) => Promise<void>>): void {
    program
      .command(name)
      .description(description)
      .allowUnknownOption()
      .allowExcessArguments()
      .addHelpText('after', `\n${describeConfig()}`)
      .action(async (_options, self: Command) => {
        const config = loadConfig({ argv: self.args, env: process.env, cwd: process.cwd() });
        await (await load())(config);
      });
  }
  command('serve', 'Start the server.', async () => (await import('./serve.ts')).serve);
  command(
    'demo',
    'Start a server with a test picture, and say where to watch it.',
    async () => (await import('./demo.ts')).demo,
  );
  command(
    'doctor',
    'Look at ports, data folder, ffmpeg and clock, and say what is missing.',
    async () => (await import('./doctor.ts')).doctor,
  );
  addBackup(program);
}
