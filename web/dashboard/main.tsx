import '@mantine/core/styles.css';
import './dashboard.css';
import { Button, Center, Loader, MantineProvider, Stack, Text } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Component, type ReactNode, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { Refused, root } from './api.ts';
import { SignIn } from './pages/sign-in.tsx';
import { Toasts } from './parts/toast.tsx';
import { SessionGate } from './session.tsx';
import { Shell } from './shell.tsx';
import { theme, variables } from './theme.ts';
import { LiveUpdates } from './updates.tsx';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // What was refused is refused again; only silence is worth another try.
      retry: (failures, error) => failures < 2 && !(error instanceof Refused && error.status !== 0),
    },
  },
});

/** A script of another version, after an update of the server, or a fault of ours: the page can be had anew. */
class Fallback extends Component<{ readonly children: ReactNode }, { readonly failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <Center mih="100dvh" p="md" role="alert">
        <Stack align="center">
          <Text>This page could not be shown. The server may have been updated meanwhile.</Text>
          <Button onClick={() => location.reload()}>Load it again</Button>
        </Stack>
      </Center>
    );
  }
}

const wait = (problem: string | null) => (
  <Center mih="100dvh" p="md">
    <Stack align="center" role="status" aria-live="polite">
      <Loader size="sm" aria-label="Loading" />
      {problem && <Text size="sm">{problem}</Text>}
    </Stack>
  </Center>
);

createRoot(document.getElementById('dashboard')!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
      <Fallback>
        <QueryClientProvider client={queries}>
          <Router base={`${root.pathname}dashboard`}>
            <Toasts>
              <SessionGate wait={wait} signIn={(signedIn) => <SignIn signedIn={signedIn} />}>
                <LiveUpdates>
                  <Shell />
                </LiveUpdates>
              </SessionGate>
            </Toasts>
          </Router>
        </QueryClientProvider>
      </Fallback>
    </MantineProvider>
  </StrictMode>,
);
