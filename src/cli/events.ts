import type { Command } from 'commander';
import type { Event, EventName } from '../contract/index.ts';
import { apiGroup, count, limitOption, take, withClient } from './api-options.ts';
import { eventName, eventNames } from './event-names.ts';
import { type Column, printTable, text } from './output.ts';

const subjectOf = ({ payload }: Event): unknown => {
  const { _id, name, stream } = payload as { _id?: string; name?: string; stream?: { _id?: string; name?: string } };
  return name || _id || stream?.name || stream?._id;
};

const COLUMNS: readonly Column<Event>[] = [
  ['NUMBER', ({ number }) => number],
  ['TIME', ({ created_at }) => created_at],
  ['EVENT', ({ event }) => event],
  ['OF', subjectOf],
  ['ID', ({ id }) => id],
];

interface EventOptions {
  readonly after?: number;
  readonly event?: EventName[];
  readonly liveStream?: string;
  readonly limit: number;
}

/** `liveapi events …`: the log of all that happened in the environment. */
export function addEvents(program: Command): void {
  const events = apiGroup(program, 'events', 'The log of all that happened.', [
    'events list --event stream-connected',
    'events tail',
    'events tail --after 1041 --json | jq .event',
  ]);

  events
    .command('list')
    .description('List events, newest first; with --after upwards from that number.')
    .option('--after <number>', 'only what came after this number', count)
    .option('--event <name>', 'only this event', eventName)
    .option('--live-stream <id>', 'only what happened to this live stream')
    .option(...limitOption)
    .action(
      withClient<Omit<EventOptions, 'event'> & { event?: EventName }, []>(async ({ client, options }) => {
        const { after, event, liveStream: live_stream, limit } = options;
        printTable(await take(client.events.all({ after, event, live_stream }), limit), COLUMNS, options);
      }),
    );

  events
    .command('tail')
    .description('Print events as they happen, one line each, until it is stopped; a lost connection leaves no gap.')
    .option('--after <number>', 'begin after this number instead of now', count)
    .option('--event <names>', 'only these, separated by commas', eventNames)
    .option('--live-stream <id>', 'only what happens to this live stream')
    .action(
      withClient<EventOptions, []>(async ({ client, options }) => {
        const { after, event: names, liveStream: live_stream } = options;
        for await (const event of client.events.follow({ after, live_stream, onTrouble: sayTrouble })) {
          if (names && !names.includes(event.event)) continue;
          if (options.json) console.log(JSON.stringify(event));
          else console.log(COLUMNS.map(([, cell]) => text(cell(event))).join('  '));
        }
      }),
    );
}

/** Says on standard error when the server is lost, and when it is back. */
export function sayTrouble(error: Error | null): void {
  console.error(error ? `The server does not answer (${text(error.message)}): trying again.` : 'Listening.');
}
