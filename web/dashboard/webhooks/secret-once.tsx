import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { NewWebhookEndpoint } from '../../../src/contract/index.ts';
import { CodeLine } from '../parts/code-line.tsx';
import { OnceDialog } from '../parts/dialog.tsx';

export const SecretOnce = (props: { readonly endpoint: NewWebhookEndpoint; readonly close: () => void }): ReactNode => (
  <OnceDialog title="The signing secret" close={props.close}>
    <Text size="sm">
      With it your receiver proves that a request comes from here. It is shown this once: keep it where the receiver
      finds it.
    </Text>
    <CodeLine label="Secret" value={props.endpoint.secret} secret />
  </OnceDialog>
);
