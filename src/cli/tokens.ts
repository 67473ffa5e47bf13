import type { Command } from 'commander';
import type { AccessToken, AccessTokenCreate } from '../contract/index.ts';
import { apiGroup, limitOption, take, withClient } from './api-options.ts';
import { type Column, printDone, printObject, printTable } from './output.ts';

const COLUMNS: readonly Column<AccessToken>[] = [
  ['ID', ({ _id }) => _id],
  ['NAME', ({ name }) => name],
  ['ROLE', ({ role }) => role],
  ['LAST USED', ({ last_used_at }) => last_used_at ?? 'never'],
  ['EXPIRES', ({ expires_at }) => expires_at ?? 'never'],
];

/** `liveapi tokens …`: access tokens of the token's own environment. */
export function addTokens(program: Command): void {
  const tokens = apiGroup(program, 'tokens', 'Access tokens of the environment; needs a token with the role admin.', [
    'tokens create --name "Nightly job" --expires 2027-01-01T00:00:00Z',
    'tokens list',
    'tokens revoke 64b1f0a2c3d4e5f601234567',
  ]);

  tokens
    .command('list')
    .description('List access tokens.')
    .option(...limitOption)
    .action(
      withClient<{ limit: number }, []>(async ({ client, options }) =>
        printTable(await take(client.accessTokens.all(), options.limit), COLUMNS, options),
      ),
    );

  tokens
    .command('create')
    .description('Create an access token; its secret is shown this once.')
    .option('--name <name>')
    .option('--role <role>', 'member, or admin, who may make and revoke tokens', 'member')
    .option('--expires <time>', 'ISO 8601; by default never')
    .action(
      withClient<{ name?: string; role: string; expires?: string }, []>(async ({ client, options }) => {
        const { name, role, expires } = options;
        // What role may be, the server says.
        const values = { name, role, expires_at: expires } as AccessTokenCreate;
        printObject(await client.accessTokens.create(values), options);
      }),
    );

  tokens
    .command('revoke <id>')
    .description('Revoke an access token: it is refused from the next request on.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printDone(`${id} is revoked.`, await client.accessTokens.revoke(id), options),
      ),
    );
}
