import { Button, Group, PasswordInput, Stack, Table, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { CurrentSession, Organization, SessionList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { FormDialog } from '../parts/dialog.tsx';
import { dayOf, timeOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { Listing } from '../parts/listing.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded, Problem } from '../parts/problem.tsx';
import { Section } from '../parts/section.tsx';
import { useToast } from '../parts/toast.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { useReread } from '../parts/use-reread.ts';
import { useSeat } from '../session.tsx';

/** Who has signed in: name, e-mail, password, sessions, organizations. */
export default function Account(): ReactNode {
  const { session } = useSeat();
  return (
    <>
      <PageHead title="Account" lead={session.user.email} />
      <Name />
      <Credential
        key={session.user.email}
        title="E-mail address"
        lead="You sign in with it. A new one ends your other sessions."
        field="email"
      />
      <Credential title="Password" lead="A new one ends your other sessions." field="password" />
      <Organizations />
      <Sessions />
    </>
  );
}

function Name(): ReactNode {
  const { session, renew } = useSeat();
  const say = useToast();
  const [name, setName] = useState(session.user.name);
  const saving = useMutation({
    mutationFn: () => api.patch<CurrentSession>('users/me', { name: name.trim() }),
    onSuccess: async (next) => {
      await renew(next);
      say('Your name is saved.');
    },
  });
  return (
    <Section title="Name">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Group align="flex-end" gap="xs">
          <TextInput
            label="Your name"
            description="Members of your organizations see it."
            className="grow"
            maxLength={255}
            autoComplete="name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button
            type="submit"
            variant="default"
            loading={saving.isPending}
            disabled={name.trim() === session.user.name}
          >
            Save
          </Button>
        </Group>
        {saving.error && <Problem error={saving.error} />}
      </form>
    </Section>
  );
}

/** What one signs in with: changing it needs the password that is now. */
function Credential(props: {
  readonly title: string;
  readonly lead: string;
  readonly field: 'email' | 'password';
}): ReactNode {
  const { session, renew } = useSeat();
  const say = useToast();
  const reread = useReread('sessions');
  const email = props.field === 'email';
  const [value, setValue] = useState(email ? (session.user.email ?? '') : '');
  const [current, setCurrent] = useState('');
  const saving = useMutation({
    mutationFn: () => api.patch<CurrentSession>('users/me', { [props.field]: value.trim(), current_password: current }),
    onSuccess: async (next) => {
      setCurrent('');
      if (!email) setValue('');
      await renew(next);
      say(email ? 'Sign in with the new e-mail address from now on.' : 'Your new password is saved.');
      await reread();
    },
  });
  return (
    <Section title={props.title} lead={props.lead}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Stack gap="sm" maw={420}>
          {email ? (
            <TextInput
              label="New e-mail address"
              type="email"
              required
              maxLength={254}
              autoComplete="email"
              value={value}
              onChange={(event) => setValue(event.currentTarget.value)}
            />
          ) : (
            <PasswordInput
              label="New password"
              description="10 characters or more."
              required
              minLength={10}
              maxLength={256}
              autoComplete="new-password"
              value={value}
              onChange={(event) => setValue(event.currentTarget.value)}
              visibilityToggleButtonProps={{ 'aria-label': 'Show the new password' }}
            />
          )}
          <PasswordInput
            label={email ? 'Your password' : 'The password that you have now'}
            required
            maxLength={256}
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
          />
          {saving.error && <Problem error={saving.error} />}
          <Button type="submit" variant="default" loading={saving.isPending} style={{ alignSelf: 'flex-start' }}>
            {email ? 'Change the e-mail address' : 'Change the password'}
          </Button>
        </Stack>
      </form>
    </Section>
  );
}

function Organizations(): ReactNode {
  const { session, organization: chosen, environment, choose, renew } = useSeat();
  const say = useToast();
  const [naming, setNaming] = useState<Organization | 'new' | null>(null);
  const deleting = useAsked<Organization>();
  const columns = [{ title: 'Name' }, { title: 'Your role' }, { title: 'Actions', hidden: true, as: 'tight' }] as const;
  return (
    <Section
      title="Organizations"
      lead="Each has live streams, members, access tokens and webhooks of its own; nobody in one sees anything of another."
    >
      {session.organizations.length > 0 && (
        <Listing label="Organizations" columns={columns}>
          {session.organizations.map((organization) => (
            <Table.Tr key={organization._id}>
              <Table.Td>
                <b>{organization.name}</b> {organization._id === chosen?._id && <Badge tone="good">chosen</Badge>}
                <span className="soft-line">since {dayOf(organization.creation_time)}</span>
              </Table.Td>
              <Table.Td>
                <Badge tone="quiet">{organization.role}</Badge>
              </Table.Td>
              <Table.Td className="tight">
                {organization._id !== chosen?._id && (
                  <Button
                    variant="subtle"
                    color="gray"
                    size="xs"
                    aria-label={`Go to ${organization.name}`}
                    onClick={() => choose(organization._id, environment)}
                  >
                    Go there
                  </Button>
                )}
                {organization.role !== 'member' && (
                  <Button
                    variant="subtle"
                    color="gray"
                    size="xs"
                    aria-label={`Rename ${organization.name}`}
                    onClick={() => setNaming(organization)}
                  >
                    Rename
                  </Button>
                )}
                {organization.role === 'owner' && (
                  <Button
                    variant="subtle"
                    size="xs"
                    className="danger"
                    aria-label={`Delete ${organization.name}`}
                    onClick={() => deleting.ask(organization)}
                  >
                    Delete
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Listing>
      )}
      <Button
        variant="default"
        style={{ alignSelf: 'flex-start' }}
        leftSection={<Icon name="plus" size={16} />}
        onClick={() => setNaming('new')}
      >
        New organization
      </Button>
      {naming && <Naming organization={naming === 'new' ? null : naming} close={() => setNaming(null)} />}
      <Confirm
        key={deleting.about?._id}
        opened={deleting.opened}
        title="Delete this organization?"
        text={
          <>
            Its access tokens, webhooks, events and members’ access go with it, in production and development. Its live
            streams have to be deleted before. This cannot be undone.
          </>
        }
        typed={deleting.about?.name}
        button="Delete the organization"
        close={deleting.close}
        act={async () => {
          await api.delete(`organizations/${deleting.about!._id}`);
          say(`${deleting.about!.name} is deleted.`);
          await renew();
        }}
      />
    </Section>
  );
}

function Naming(props: { readonly organization: Organization | null; readonly close: () => void }): ReactNode {
  const { organization } = props;
  const { environment, choose, renew } = useSeat();
  const [name, setName] = useState(organization?.name ?? '');
  const send = async () => {
    const body = { name: name.trim() };
    const { _id } = organization
      ? await api.patch<Organization>(`organizations/${organization._id}`, body)
      : await api.post<Organization>('organizations', body);
    await renew();
    if (!organization) choose(_id, environment);
  };
  return (
    <FormDialog
      title={organization ? `Rename ${organization.name}` : 'New organization'}
      button={organization ? 'Rename' : 'Make it'}
      close={props.close}
      send={send}
    >
      <TextInput
        label="Name"
        required
        maxLength={255}
        data-autofocus
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
    </FormDialog>
  );
}

function Sessions(): ReactNode {
  const say = useToast();
  const reread = useReread('sessions');
  const query = useQuery({
    queryKey: ['sessions'],
    queryFn: () => api.get<SessionList>('sessions', { limit: 100 }),
  });
  const ending = useMutation({
    mutationFn: (id: string) => api.delete(`sessions/${id}`),
    onSuccess: async () => {
      say('The session is ended: that browser is signed out.');
      await reread();
    },
  });
  const columns = [
    { title: 'Browser' },
    { title: 'Last used', as: 'wide' },
    { title: 'Actions', hidden: true, as: 'tight' },
  ] as const;
  return (
    <Section title="Sessions" lead="Where you are signed in. End what you do not know, and choose a new password then.">
      {ending.error && <Problem error={ending.error} />}
      <Loaded query={query} lines={2}>
        {({ docs }) => (
          <Listing label="Sessions" columns={columns}>
            {docs.map((one) => (
              <Table.Tr key={one._id}>
                <Table.Td>
                  {browserOf(one.user_agent)} {one.current && <Badge tone="good">this one</Badge>}
                  <span className="soft-line">
                    {one.address} · since {timeOf(one.creation_time)}
                  </span>
                </Table.Td>
                <Table.Td className="wide">{timeOf(one.last_used_at)}</Table.Td>
                <Table.Td className="tight">
                  {!one.current && (
                    <Button
                      variant="subtle"
                      size="xs"
                      className="danger"
                      aria-label={`End the session of ${browserOf(one.user_agent)}, ${one.address}`}
                      loading={ending.isPending && ending.variables === one._id}
                      onClick={() => ending.mutate(one._id)}
                    >
                      End
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Listing>
        )}
      </Loaded>
    </Section>
  );
}

/** `Firefox on Linux` of what a browser calls itself; what is none stays as it is, shortened. */
function browserOf(agent: string): string {
  const browser = /(Edg|OPR|Firefox|HeadlessChrome|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|CrOS|Linux)/.exec(agent)?.[1];
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', HeadlessChrome: 'Chrome', 'Mac OS X': 'macOS' };
  const called = (name: string) => names[name] ?? name;
  if (!browser) return agent.slice(0, 60) || 'Something that does not say what it is';
  return system ? `${called(browser)} on ${called(system)}` : called(browser);
}
