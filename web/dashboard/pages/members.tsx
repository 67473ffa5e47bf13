import { Button, Group, NativeSelect, Table, Text, TextInput, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { InvitationList, Member, MemberList, NewInvitation, Role } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { CodeLine } from '../parts/code-line.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { FormDialog, OnceDialog } from '../parts/dialog.tsx';
import { count, dayOf, timeOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { type Column, Listing, Pages } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useToast } from '../parts/toast.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { useReread } from '../parts/use-reread.ts';
import { useRole, useSeat } from '../session.tsx';

const ROLE_WORDS: Record<Role, string> = {
  owner: 'everything, also naming owners and deleting the organization',
  admin: 'that, and members and access tokens',
  member: 'live streams, webhooks, events and usage',
};
const COLUMNS: readonly Column[] = [
  { title: 'Name' },
  { title: 'Role' },
  { title: 'Since', as: 'wide' },
  { title: 'Actions', hidden: true, as: 'tight' },
];

/** Something shown this once: a link to hand over. */
interface Link {
  readonly title: string;
  readonly url: string;
  readonly ends: string;
  readonly words: string;
}
/** What is asked before it is done. */
interface Question {
  readonly title: string;
  readonly text: string;
  readonly button: string;
  readonly harmless?: boolean;
  act(): Promise<unknown>;
}

/** Who belongs to the organization, and who is invited. */
export default function Members(): ReactNode {
  const { session, organization, renew } = useSeat();
  const { admin, owner } = useRole();
  const say = useToast();
  const reread = useReread('members');
  const [page, setPage] = useState(1);
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<Link | null>(null);
  const { about: question, opened, ask, close } = useAsked<Question>();
  const query = useQuery({
    queryKey: ['members', page],
    queryFn: () => api.get<MemberList>('members', { page, limit: 50 }),
  });
  const me = session.user._id;

  const gone = (tokens: number) =>
    tokens > 0 ? ` ${count(tokens)} access ${tokens === 1 ? 'token is' : 'tokens are'} revoked.` : '';
  const setRole = (member: Member, role: Role) =>
    ask({
      title: `Make ${nameOf(member)} ${role === 'member' ? 'a member' : `an ${role}`}?`,
      text: `Then they may do: ${ROLE_WORDS[role]}. They are signed out everywhere, and access tokens of theirs that may do more are revoked.`,
      button: 'Change the role',
      harmless: true,
      async act() {
        const { revoked_tokens } = await api.patch<{ revoked_tokens: number }>(`members/${member._id}`, { role });
        say(`${nameOf(member)} is ${role} now.${gone(revoked_tokens)}`);
        if (member._id === me) await renew();
        await reread();
      },
    });
  const remove = (member: Member) =>
    ask({
      title: member._id === me ? `Leave ${organization?.name}?` : `Remove ${nameOf(member)}?`,
      text: `${member._id === me ? 'You lose' : 'They lose'} access to everything in ${organization?.name}, and access tokens that ${member._id === me ? 'you' : 'they'} made stop working.`,
      button: member._id === me ? 'Leave' : 'Remove',
      async act() {
        const { revoked_tokens } = await api.delete<{ revoked_tokens: number }>(`members/${member._id}`);
        say(`${member._id === me ? 'You have left.' : `${nameOf(member)} is removed.`}${gone(revoked_tokens)}`);
        if (member._id === me) await renew();
        else await reread();
      },
    });
  const passwordLink = (member: Member) =>
    ask({
      title: `A link for a new password of ${nameOf(member)}?`,
      text: 'Whoever opens the link chooses the password of this account: hand it to the person alone.',
      button: 'Make the link',
      harmless: true,
      async act() {
        const { url, expires_at } = await api.post<{ url: string; expires_at: string }>(
          `members/${member._id}/password_reset`,
        );
        setLink({
          title: `A new password for ${nameOf(member)}`,
          url,
          ends: expires_at,
          words: 'Give this link to the person, and to nobody else.',
        });
      },
    });

  return (
    <>
      <PageHead title="Members" lead={`Who may do what in ${organization?.name}.`}>
        {admin && (
          <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setInviting(true)}>
            Invite
          </Button>
        )}
      </PageHead>
      <Loaded query={query}>
        {({ docs, pages }) => (
          <>
            <Listing label="Members" columns={COLUMNS}>
              {docs.map((member) => (
                <Table.Tr key={member._id}>
                  <Table.Td>
                    <b>{nameOf(member)}</b> {member._id === me && <Badge tone="quiet">you</Badge>}
                    <span className="soft-line">{member.email}</span>
                  </Table.Td>
                  <Table.Td>
                    {admin && (member.role !== 'owner' || owner) ? (
                      <NativeSelect
                        aria-label={`Role of ${nameOf(member)}`}
                        size="xs"
                        miw={96}
                        value={member.role}
                        onChange={(event) => setRole(member, event.currentTarget.value as Role)}
                        data={owner ? ['owner', 'admin', 'member'] : ['admin', 'member']}
                      />
                    ) : (
                      <Badge tone="quiet">{member.role}</Badge>
                    )}
                  </Table.Td>
                  <Table.Td className="wide tight">{dayOf(member.creation_time)}</Table.Td>
                  <Table.Td className="tight">
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      {admin && member._id !== me && (member.role !== 'owner' || owner) && (
                        <Button
                          className="wide"
                          variant="subtle"
                          color="gray"
                          size="xs"
                          aria-label={`New password link for ${nameOf(member)}`}
                          onClick={() => passwordLink(member)}
                        >
                          Password link
                        </Button>
                      )}
                      {(admin || member._id === me) && (
                        <Button
                          variant="subtle"
                          size="xs"
                          className="danger"
                          aria-label={member._id === me ? undefined : `Remove ${nameOf(member)}`}
                          onClick={() => remove(member)}
                        >
                          {member._id === me ? 'Leave' : 'Remove'}
                        </Button>
                      )}
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Listing>
            <Pages pages={pages} page={page} turn={setPage} />
          </>
        )}
      </Loaded>
      <Invitations ask={ask} />
      {inviting && <Inviting close={() => setInviting(false)} made={setLink} />}
      {link && (
        <OnceDialog title={link.title} close={() => setLink(null)}>
          <Text size="sm">{link.words}</Text>
          <CodeLine
            label="Link"
            value={link.url}
            hint={`It works until ${timeOf(link.ends)}, once, and is shown this once.`}
          />
        </OnceDialog>
      )}
      <Confirm
        opened={opened}
        title={question?.title ?? ''}
        text={question?.text}
        button={question?.button ?? ''}
        harmless={question?.harmless}
        close={close}
        act={async () => question?.act()}
      />
    </>
  );
}

const nameOf = ({ name, email }: Member): string => name || email || 'Somebody without a name';

function Invitations({ ask }: { readonly ask: (question: Question) => void }): ReactNode {
  const { admin } = useRole();
  const say = useToast();
  const reread = useReread('invitations');
  const [page, setPage] = useState(1);
  const query = useQuery({
    queryKey: ['invitations', page],
    queryFn: () => api.get<InvitationList>('invitations', { page, limit: 50 }),
  });
  if (query.data?.total === 0) return null;
  const takeBack = (_id: string, email: string) =>
    ask({
      title: 'Take this invitation back?',
      text: `The link that ${email} has stops working.`,
      button: 'Take it back',
      async act() {
        await api.delete(`invitations/${_id}`);
        say('The invitation is taken back.');
        await reread();
      },
    });
  return (
    <>
      <Title order={2} size="h4" mt="xl" mb="sm">
        Invited
      </Title>
      <Loaded query={query} lines={1}>
        {({ docs, pages }) => (
          <>
            <Listing
              label="Invitations"
              columns={[
                { title: 'E-mail address' },
                { title: 'Role' },
                { title: 'Until', as: 'wide' },
                { title: 'Actions', hidden: true, as: 'tight' },
              ]}
            >
              {docs.map(({ _id, email, role, expires_at }) => (
                <Table.Tr key={_id}>
                  <Table.Td>{email}</Table.Td>
                  <Table.Td>
                    <Badge tone="quiet">{role}</Badge>
                  </Table.Td>
                  <Table.Td className="wide">{timeOf(expires_at)}</Table.Td>
                  <Table.Td className="tight">
                    {admin && (
                      <Button
                        variant="subtle"
                        size="xs"
                        className="danger"
                        aria-label={`Take back the invitation of ${email}`}
                        onClick={() => takeBack(_id, email)}
                      >
                        Take back
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Listing>
            <Pages pages={pages} page={page} turn={setPage} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Inviting(props: { readonly close: () => void; readonly made: (link: Link) => void }): ReactNode {
  const { owner } = useRole();
  const say = useToast();
  const reread = useReread('invitations');
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('member');
  const send = async () => {
    const made = await api.post<NewInvitation>('invitations', { email: email.trim(), role });
    if (made.url)
      props.made({
        title: `An invitation for ${made.email}`,
        url: made.url,
        ends: made.expires_at,
        words: 'This server sends no e-mails: hand this link to the person yourself. Whoever has it can use it.',
      });
    else say(`The invitation is on its way to ${made.email}.`);
    await reread();
  };
  return (
    <FormDialog title="Invite somebody" button="Invite" close={props.close} send={send}>
      <TextInput
        label="E-mail address"
        type="email"
        required
        maxLength={254}
        data-autofocus
        autoComplete="off"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <NativeSelect
        label="Role"
        description={`May do: ${ROLE_WORDS[role]}.`}
        value={role}
        onChange={(event) => setRole(event.currentTarget.value as Role)}
        data={owner ? ['member', 'admin', 'owner'] : ['member', 'admin']}
      />
    </FormDialog>
  );
}
