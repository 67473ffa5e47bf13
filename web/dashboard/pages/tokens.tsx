import { Button, Code, Group, NativeSelect, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { AccessToken, AccessTokenList, MemberList, NewAccessToken } from '../../../src/contract/index.ts';
import { api, root } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { CodeBlock, CodeLine } from '../parts/code-line.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { CopyIcon } from '../parts/copy.tsx';
import { FormDialog, OnceDialog } from '../parts/dialog.tsx';
import { Empty } from '../parts/empty.tsx';
import { dayOf, timeOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { type Column, Listing, Pages } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { useToast } from '../parts/toast.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { useReread } from '../parts/use-reread.ts';
import { useSeat } from '../session.tsx';
import { SigningKeys } from './signing-keys.tsx';

const COLUMNS: readonly Column[] = [
  { title: 'Name and id' },
  { title: 'May', as: 'wide' },
  { title: 'Last used', as: 'wide' },
  { title: 'Ends' },
  { title: 'Actions', hidden: true, as: 'tight' },
];

/** What programs sign in with: made, seen once, revoked. */
export default function Tokens(): ReactNode {
  const { environment } = useSeat();
  const [page, setPage] = useState(1);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewAccessToken | null>(null);
  const revoking = useAsked<AccessToken>();
  const reread = useReread('access_tokens');
  const say = useToast();
  const query = useQuery({
    queryKey: ['access_tokens', page],
    queryFn: () => api.get<AccessTokenList>('access_tokens', { page, limit: 50 }),
  });
  const people = useQuery({
    queryKey: ['members', 'names'],
    queryFn: () => api.get<MemberList>('members', { limit: 100 }),
  });
  const maker = (id: string) => {
    const person = people.data?.docs.find(({ _id }) => _id === id);
    return person ? ` by ${person.name || person.email}` : '';
  };
  const button = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setMaking(true)}>
      New access token
    </Button>
  );
  return (
    <>
      <PageHead title="Access tokens" lead={`What programs use the API with, in ${environment} alone.`}>
        {query.data?.total !== 0 && button}
      </PageHead>
      <Loaded query={query}>
        {({ docs, pages }) =>
          docs.length === 0 && page === 1 ? (
            <Empty
              title="No access tokens yet"
              text={`A token lets a program make live streams and read about them in your name, in ${environment}. Its secret is shown once, when it is made.`}
            >
              {button}
            </Empty>
          ) : (
            <>
              <Listing label="Access tokens" columns={COLUMNS}>
                {docs.map((token) => (
                  <Table.Tr key={token._id}>
                    <Table.Td>
                      <b>{token.name || 'Without a name'}</b>
                      <span className="soft-line">
                        <Code>{token._id}</Code> · made {dayOf(token.creation_time)}
                        {maker(token.created_by)}
                      </span>
                    </Table.Td>
                    <Table.Td className="wide">
                      {token.role === 'admin' ? <Badge tone="warn">admin</Badge> : <Badge tone="quiet">member</Badge>}
                    </Table.Td>
                    <Table.Td className="wide">{token.last_used_at ? timeOf(token.last_used_at) : 'never'}</Table.Td>
                    <Table.Td className="tight">
                      <Ends at={token.expires_at} />
                    </Table.Td>
                    <Table.Td className="tight">
                      <Group gap={4} wrap="nowrap">
                        <span className="wide">
                          <CopyIcon text={token._id} what={`the id of ${token.name}`} />
                        </span>
                        <Button
                          variant="subtle"
                          size="xs"
                          className="danger"
                          aria-label={`Revoke ${token.name || token._id}`}
                          onClick={() => revoking.ask(token)}
                        >
                          Revoke
                        </Button>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Listing>
              <Pages pages={pages} page={page} turn={setPage} />
            </>
          )
        }
      </Loaded>
      {making && (
        <Making
          close={() => setMaking(false)}
          made={(token) => {
            setMade(token);
            void reread();
          }}
        />
      )}
      {made && <Made token={made} close={() => setMade(null)} />}
      <SigningKeys />
      <Confirm
        opened={revoking.opened}
        title="Revoke this access token?"
        text={`Programs that use “${revoking.about?.name || revoking.about?._id}” are refused from their next request on. This cannot be undone.`}
        button="Revoke"
        close={revoking.close}
        act={async () => {
          await api.delete(`access_tokens/${revoking.about!._id}`);
          say('The access token is revoked.');
          await reread();
        }}
      />
    </>
  );
}

function Ends({ at }: { readonly at: string | null }): ReactNode {
  if (at === null) return 'never';
  return Date.parse(at) < Date.now() ? <Badge tone="bad">ended {dayOf(at)}</Badge> : dayOf(at);
}

const DAY_MS = 86_400_000;

function Making(props: { readonly close: () => void; readonly made: (token: NewAccessToken) => void }): ReactNode {
  const [name, setName] = useState('');
  const [role, setRole] = useState('member');
  const [days, setDays] = useState('');
  const { environment } = useSeat();
  const send = async () => {
    const expires_at = days && new Date(Date.now() + Number(days) * DAY_MS).toISOString();
    props.made(
      await api.post<NewAccessToken>('access_tokens', { name: name.trim(), role, ...(expires_at && { expires_at }) }),
    );
  };
  return (
    <FormDialog title={`New access token for ${environment}`} button="Make it" close={props.close} send={send}>
      <TextInput
        label="Name"
        description="What uses it, so that you know later what to revoke."
        placeholder="Backend"
        required
        maxLength={255}
        data-autofocus
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label="It may"
        value={role}
        onChange={(event) => setRole(event.currentTarget.value)}
        data={[
          { value: 'member', label: 'do everything with live streams and webhooks (member)' },
          { value: 'admin', label: 'that, and make and revoke access tokens (admin)' },
        ]}
      />
      <NativeSelect
        label="It works"
        value={days}
        onChange={(event) => setDays(event.currentTarget.value)}
        data={[
          { value: '', label: 'until it is revoked' },
          { value: '7', label: 'for 7 days' },
          { value: '30', label: 'for 30 days' },
          { value: '90', label: 'for 90 days' },
          { value: '365', label: 'for a year' },
        ]}
      />
    </FormDialog>
  );
}

const Made = ({ token, close }: { readonly token: NewAccessToken; readonly close: () => void }) => (
  <OnceDialog title={`“${token.name}” is made`} close={close}>
    <Text size="sm">The secret is shown this once: keep it where your program finds it, and nowhere else.</Text>
    <CodeLine label="Token id" value={token._id} />
    <CodeLine label="Secret" value={token.secret} secret />
    <Text size="sm">To try it, make a live stream:</Text>
    <CodeBlock
      label="the command"
      text={`curl -X POST -u ${token._id}:${token.secret} ${root.href}live_streams`}
      secret={token.secret}
    />
  </OnceDialog>
);
