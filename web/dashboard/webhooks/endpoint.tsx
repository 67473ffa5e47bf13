import './webhooks.css';
import { Button, Group, NativeSelect, Paper, Stack, Switch, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { NewWebhookEndpoint, WebhookEndpoint } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Confirm } from '../parts/confirm.tsx';
import { FormDialog } from '../parts/dialog.tsx';
import { eventChoices } from '../parts/event-list.ts';
import { timeOf } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded, Problem } from '../parts/problem.tsx';
import { useComplain, useToast } from '../parts/toast.tsx';
import { useReread } from '../parts/use-reread.ts';
import { DeliveryLog } from './delivery-log.tsx';
import { EndpointForm } from './endpoint-form.tsx';
import { SecretOnce } from './secret-once.tsx';
import { EndpointBadge } from './state-badge.tsx';

/** One endpoint: how it fares, what can be done with it, its deliveries. */
export function Endpoint({ id }: { readonly id: string }): ReactNode {
  const query = useQuery({
    queryKey: ['webhook_endpoints', id],
    queryFn: () => api.get<WebhookEndpoint>(`webhook_endpoints/${id}`),
    refetchInterval: 5000,
  });
  return (
    <>
      <Link href="/webhooks" className="back">
        <Icon name="back" size={15} /> Webhooks
      </Link>
      <Loaded query={query}>{(endpoint) => <Shown endpoint={endpoint} />}</Loaded>
    </>
  );
}

type Dialog = 'change' | 'rotate' | 'delete' | null;

function Shown({ endpoint }: { readonly endpoint: WebhookEndpoint }): ReactNode {
  const path = `webhook_endpoints/${endpoint._id}`;
  const [, go] = useLocation();
  const say = useToast();
  const complain = useComplain();
  const reread = useReread('webhook_endpoints');
  const rereadLog = useReread('deliveries');
  const [dialog, setDialog] = useState<Dialog>(null);
  const [test, setTest] = useState('webhook-test');
  const [secret, setSecret] = useState<NewWebhookEndpoint | null>(null);
  const close = () => setDialog(null);
  const testing = useMutation({
    mutationFn: () => api.post(`${path}/test`, { event: test }),
    onSuccess: async () => {
      say('The test is on its way: see the deliveries.');
      await rereadLog();
    },
    onError: complain,
  });
  const enabling = useMutation({
    mutationFn: (enabled: boolean) => api.patch(path, { enabled }),
    onSuccess: reread,
    onError: complain,
  });
  const { events, last_delivery: last } = endpoint;
  return (
    <>
      <PageHead
        title={endpoint.name || 'Webhook endpoint'}
        badge={<EndpointBadge endpoint={endpoint} />}
        lead={<span className="wrap">{endpoint.url}</span>}
      >
        <Button variant="default" onClick={() => setDialog('change')}>
          Change
        </Button>
        <Button variant="default" onClick={() => setDialog('rotate')}>
          New secret
        </Button>
        <Button variant="default" className="danger" onClick={() => setDialog('delete')}>
          Delete
        </Button>
      </PageHead>
      {!endpoint.enabled && endpoint.disabled_reason && (
        <Problem
          error={`It was disabled: ${endpoint.disabled_reason} What happened meanwhile is in the events; enable it to go on from here.`}
        />
      )}
      <Paper p="lg" mt="md">
        <Stack gap="md">
          <Switch
            label="Enabled"
            description="Off: nothing is sent, and what waits is given up."
            checked={endpoint.enabled}
            disabled={enabling.isPending}
            onChange={(event) => enabling.mutate(event.currentTarget.checked)}
          />
          <Text size="sm">
            <b>It is told</b> {events.length === 0 ? 'everything that happens' : events.join(', ')}.
          </Text>
          {last && (
            <Text size="sm">
              <b>Last attempt</b> {timeOf(last.time)}: {last.error ?? `answered with ${last.status}`}
              {endpoint.failing_since && ` · failing since ${timeOf(endpoint.failing_since)}`}
            </Text>
          )}
          <Group gap="xs" align="flex-end">
            <NativeSelect
              label="Test"
              description="An example of the event, to this endpoint alone."
              value={test}
              onChange={(event) => setTest(event.currentTarget.value)}
              data={eventChoices('').slice(1)}
            />
            <Button
              variant="default"
              loading={testing.isPending}
              disabled={!endpoint.enabled}
              onClick={() => testing.mutate()}
            >
              Send a test
            </Button>
          </Group>
        </Stack>
      </Paper>
      <DeliveryLog endpoint={endpoint._id} />
      {dialog === 'change' && <EndpointForm endpoint={endpoint} close={close} changed={reread} />}
      {dialog === 'rotate' && <Rotating path={path} close={close} made={setSecret} />}
      {secret && <SecretOnce endpoint={secret} close={() => setSecret(null)} />}
      <Confirm
        opened={dialog === 'delete'}
        title="Delete this webhook endpoint?"
        text="Nothing is sent to it any more, and its delivery log goes with it. Its events stay in the list of events."
        button="Delete"
        close={close}
        act={async () => {
          await api.delete(path);
          say('The webhook endpoint is deleted.');
          go('/webhooks');
          await reread();
        }}
      />
    </>
  );
}

function Rotating(props: {
  readonly path: string;
  readonly close: () => void;
  readonly made: (endpoint: NewWebhookEndpoint) => void;
}): ReactNode {
  const [overlap, setOverlap] = useState('86400');
  const send = async () =>
    props.made(await api.post<NewWebhookEndpoint>(`${props.path}/rotate_secret`, { overlap_s: Number(overlap) }));
  return (
    <FormDialog title="A new signing secret" button="Make it" close={props.close} send={send}>
      <NativeSelect
        label="The secret that you have now"
        description="As long as both sign, each delivery has two signatures, and a receiver with either secret accepts it."
        value={overlap}
        onChange={(event) => setOverlap(event.currentTarget.value)}
        data={[
          { value: '86400', label: 'signs for another day' },
          { value: '604800', label: 'signs for another week' },
          { value: '3600', label: 'signs for another hour' },
          { value: '0', label: 'ends at once: it got into wrong hands' },
        ]}
      />
    </FormDialog>
  );
}
