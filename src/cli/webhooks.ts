import type { Command } from 'commander';
import type { Delivery, EventName, Resend, WebhookEndpoint } from '../contract/index.ts';
import { apiGroup, count, limitOption, take, UsageError, withClient } from './api-options.ts';
import { eventName, eventNames } from './event-names.ts';
import { type Column, printDone, printObject, printTable } from './output.ts';
import { type ListenOptions, listen, triggerLocally } from './webhooks-listen.ts';

const ENDPOINTS: readonly Column<WebhookEndpoint>[] = [
  ['ID', ({ _id }) => _id],
  ['NAME', ({ name }) => name],
  ['URL', ({ url }) => url],
  ['EVENTS', ({ events }) => events.join(',') || 'all'],
  ['STATE', ({ enabled, failing_since }) => (enabled ? (failing_since ? 'failing' : 'enabled') : 'disabled')],
];
const DELIVERIES: readonly Column<Delivery>[] = [
  ['ID', ({ _id }) => _id],
  ['EVENT', ({ event }) => event],
  ['NUMBER', ({ number }) => number],
  ['STATE', ({ state }) => state],
  ['ATTEMPTS', ({ attempt_count }) => attempt_count],
  ['CREATED', ({ creation_time }) => creation_time],
  ['NEXT', ({ next_attempt_at }) => next_attempt_at],
];

interface EndpointOptions {
  readonly url?: string;
  readonly name?: string;
  readonly events?: EventName[];
  readonly enable?: boolean;
}

/** `liveapi webhooks …`: endpoints, their deliveries, and events for a program on this machine. */
export function addWebhooks(program: Command): void {
  const webhooks = apiGroup(program, 'webhooks', 'Webhook endpoints, their deliveries, and events on this machine.', [
    'webhooks create https://example.com/hooks --events stream-connected,stream-disconnected',
    'webhooks listen --forward http://localhost:3000/hook',
    'webhooks trigger stream-connected --forward http://localhost:3000/hook',
    'webhooks deliveries 64b1f0a2c3d4e5f601234567 --state dead',
    'webhooks resend 64b1f0a2c3d4e5f601234567 --from 2026-03-01T00:00:00Z',
  ]);
  addEndpoints(webhooks);
  addDeliveries(webhooks);

  webhooks
    .command('listen')
    .description('Forward events to a program on this machine as they happen, signed as real deliveries are.')
    .requiredOption('--forward <address>', 'where to, for example http://localhost:3000/hook')
    .option('--events <names>', 'only these, separated by commas', eventNames)
    .option('--live-stream <id>', 'only what happens to this live stream')
    .option('--after <number>', 'begin after this number instead of now', count)
    .option('--secret <whsec_…>', 'sign with this secret; by default with a new one, which is printed')
    .action(withClient<ListenOptions, []>(async ({ client, options }) => listen(client, options)));

  webhooks
    .command('trigger [event]')
    .description('Send an example of an event (webhook-test, when none is named) to an endpoint, or to this machine.')
    .option('--endpoint <id>', 'through the server, to this endpoint alone')
    .option('--forward <address>', 'straight to a program on this machine')
    .option('--secret <whsec_…>', 'what --forward signs with; by default a new one, which is printed')
    .action(
      withClient<{ endpoint?: string; forward?: string; secret?: string }, [string?]>(
        async (context, given = 'webhook-test') => {
          const { options } = context;
          const event = eventName(given);
          const { endpoint, forward, secret, json } = options;
          if (forward) return triggerLocally(event, { forward, secret, json });
          if (!endpoint) throw new UsageError('Say where to: --endpoint <id>, or --forward <address>.');
          const answer = await context.client.webhookEndpoints.test(endpoint, { event });
          printDone(`${event} is on its way to ${endpoint}: liveapi webhooks deliveries ${endpoint}`, answer, options);
        },
      ),
    );
}

function addEndpoints(webhooks: Command): void {
  webhooks
    .command('list')
    .description('List webhook endpoints.')
    .option(...limitOption)
    .action(
      withClient<{ limit: number }, []>(async ({ client, options }) =>
        printTable(await take(client.webhookEndpoints.all(), options.limit), ENDPOINTS, options),
      ),
    );

  webhooks
    .command('get <endpoint>')
    .description('Show an endpoint.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printObject(await client.webhookEndpoints.get(id), options),
      ),
    );

  webhooks
    .command('create <address>')
    .description('Create an endpoint; its secret is shown this once.')
    .option('--name <name>')
    .option('--events <names>', 'only these, separated by commas; by default all', eventNames)
    .action(
      withClient<EndpointOptions, [string]>(async ({ client, options }, url) => {
        const { name, events } = options;
        printObject(await client.webhookEndpoints.create({ url, name, events }), options);
      }),
    );

  webhooks
    .command('update <endpoint>')
    .description('Change an endpoint.')
    .option('--address <address>', 'where events are posted to')
    .option('--name <name>')
    .option('--events <names>', 'only these, separated by commas', eventNames)
    .option('--all-events', 'all of them')
    .option('--enable', 'deliver again')
    .option('--no-enable', 'deliver no more; what waits is given up')
    .action(
      withClient<EndpointOptions & { address?: string; allEvents?: true }, [string]>(
        async ({ client, options }, id) => {
          const { address: url, name, enable: enabled } = options;
          const events = options.allEvents ? [] : options.events;
          printObject(await client.webhookEndpoints.update(id, { url, name, events, enabled }), options);
        },
      ),
    );

  webhooks
    .command('delete <endpoint>')
    .description('Delete an endpoint with its log of deliveries.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printDone(`${id} is deleted.`, await client.webhookEndpoints.delete(id), options),
      ),
    );

  webhooks
    .command('rotate-secret <endpoint>')
    .description('Make a new secret, which is shown this once.')
    .option('--overlap <seconds>', 'how long deliveries are signed with the old one too', count, 86_400)
    .action(
      withClient<{ overlap: number }, [string]>(async ({ client, options }, id) =>
        printObject(await client.webhookEndpoints.rotateSecret(id, { overlap_s: options.overlap }), options),
      ),
    );
}

interface RangeOptions {
  readonly from?: string;
  readonly to?: string;
  readonly state?: Delivery['state'];
}

function addDeliveries(webhooks: Command): void {
  webhooks
    .command('deliveries <endpoint> [delivery]')
    .description('List deliveries, newest first; or show one with all its attempts.')
    .option('--state <state>', 'pending, retrying, delivered or dead')
    .option('--from <time>', 'created at or after; ISO 8601')
    .option('--to <time>', 'created before; ISO 8601')
    .option(...limitOption)
    .action(
      withClient<RangeOptions & { limit: number }, [string, string?]>(async ({ client, options }, endpoint, id) => {
        if (id) return printObject(await client.deliveries.get(endpoint, id), options);
        const { state, from, to, limit } = options;
        printTable(await take(client.deliveries.all(endpoint, { state, from, to }), limit), DELIVERIES, options);
      }),
    );

  webhooks
    .command('resend <endpoint> [delivery]')
    .description('Send one delivery anew; or all in a range, by default all that are dead.')
    .option('--state <state>', 'dead or delivered', 'dead')
    .option('--from <time>', 'created at or after; ISO 8601')
    .option('--to <time>', 'created before; ISO 8601')
    .action(
      withClient<RangeOptions, [string, string?]>(async ({ client, options }, endpoint, id) => {
        if (id) return printObject(await client.deliveries.resend(endpoint, id), options);
        const { state, from, to } = options;
        // What state may be, the server says.
        const answer = await client.webhookEndpoints.resend(endpoint, { state, from, to } as Partial<Resend>);
        const more = answer.next_from && `; there are more: say it again with --from ${answer.next_from}`;
        printDone(`${answer.resent} sent anew${more ?? ''}.`, answer, options);
      }),
    );
}
