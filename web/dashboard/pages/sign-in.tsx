import { Anchor, Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { CurrentSession } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Problem } from '../parts/problem.tsx';

/** Asks who is there. After that the page that was asked for shows: no address is ever followed from here (S46). */
export function SignIn({ signedIn }: { readonly signedIn: (session: CurrentSession) => void }): ReactNode {
  const [forgot, setForgot] = useState(false);
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  useDocumentTitle('Sign in · LiveAPI');
  const setup = useQuery({ queryKey: ['setup'], queryFn: () => api.get<{ needed: boolean }>('setup') });
  const entering = useMutation({
    mutationFn: () => api.post<CurrentSession>('sessions', { email, password }),
    onSuccess: signedIn,
  });
  const asking = useMutation({ mutationFn: () => api.post('password_resets', { email }) });
  const doing = forgot ? asking : entering;

  if (setup.data?.needed)
    return (
      <Card title="Nobody can sign in yet">
        <Text size="sm" c="dimmed">
          This server is new. Open the link that it printed when it started: there the first owner chooses an e-mail
          address and a password. It prints a new one at each start.
        </Text>
        <Button variant="default" onClick={() => void setup.refetch()}>
          I have done that
        </Button>
      </Card>
    );
  return (
    <Card title={forgot ? 'A new password' : 'Sign in'}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          doing.mutate();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="E-mail address"
            type="email"
            name="email"
            autoComplete="username"
            required
            withAsterisk={false}
            autoFocus
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          {!forgot && (
            <PasswordInput
              label="Password"
              name="password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              value={password}
              visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
              onChange={(event) => setPassword(event.currentTarget.value)}
            />
          )}
          {doing.error && <Problem error={doing.error} />}
          {forgot && asking.isSuccess && (
            <Text size="sm" role="status">
              If there is such an account and this server sends mail, a link is on its way. Otherwise an admin of your
              organization can make one, under Members.
            </Text>
          )}
          <Button type="submit" loading={doing.isPending}>
            {forgot ? 'Send me a link' : 'Sign in'}
          </Button>
          <Anchor component="button" type="button" size="sm" c="dimmed" onClick={() => setForgot(!forgot)}>
            {forgot ? 'Back to signing in' : 'I have forgotten my password'}
          </Anchor>
        </Stack>
      </form>
    </Card>
  );
}

const Card = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <main className="door">
    <Paper p={32} radius="lg" w="100%" maw={420}>
      <Stack gap="lg">
        <div className="brand">
          <i aria-hidden="true" />
          LiveAPI
        </div>
        <Title order={1} size="h3">
          {title}
        </Title>
        {children}
      </Stack>
    </Paper>
  </main>
);
