import type { Command } from 'commander';
import { apiGroup, limitOption, take, withClient } from './api-options.ts';
import { printObject, printTable } from './output.ts';

/** `liveapi orgs …`: the organization that the access token belongs to. It is changed in the dashboard, by people. */
export function addOrgs(program: Command): void {
  const orgs = apiGroup(
    program,
    'orgs',
    "The access token's organization. Changing it needs a person who is signed in.",
    ['orgs show', 'orgs members --json'],
  );

  orgs
    .command('show')
    .description('Show the organization.')
    .action(
      withClient<object, []>(async ({ client, options }) => {
        const { docs } = await client.organizations.list();
        printObject(options.json ? docs : (docs[0] ?? {}), options);
      }),
    );

  orgs
    .command('members')
    .description('List members and their roles.')
    .option(...limitOption)
    .action(
      withClient<{ limit: number }, []>(async ({ client, options }) =>
        printTable(
          await take(client.members.all(), options.limit),
          [
            ['ID', ({ _id }) => _id],
            ['NAME', ({ name }) => name],
            ['E-MAIL', ({ email }) => email],
            ['ROLE', ({ role }) => role],
            ['SINCE', ({ creation_time }) => creation_time],
          ],
          options,
        ),
      ),
    );

  orgs
    .command('invitations')
    .description('List invitations that nobody has accepted yet.')
    .option(...limitOption)
    .action(
      withClient<{ limit: number }, []>(async ({ client, options }) =>
        printTable(
          await take(client.invitations.all(), options.limit),
          [
            ['ID', ({ _id }) => _id],
            ['E-MAIL', ({ email }) => email],
            ['ROLE', ({ role }) => role],
            ['EXPIRES', ({ expires_at }) => expires_at],
          ],
          options,
        ),
      ),
    );
}
