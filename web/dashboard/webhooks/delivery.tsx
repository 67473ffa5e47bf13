import { Button, Group, Modal, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { DeliveryDetails } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { clockOf, timeOf } from '../parts/format.ts';
import { JsonBlock } from '../parts/json-block.tsx';
import { Loaded, Problem } from '../parts/problem.tsx';
import { useToast } from '../parts/toast.tsx';
import { DeliveryBadge } from './state-badge.tsx';

/** One delivery: what was sent, what was answered, each attempt; and sending it anew. */
export function DeliveryDialog(props: {
  readonly endpoint: string;
  readonly id: string;
  readonly close: () => void;
  readonly resent: () => Promise<void>;
}): ReactNode {
  const path = `webhook_endpoints/${props.endpoint}/deliveries/${props.id}`;
  const say = useToast();
  const query = useQuery({
    queryKey: ['deliveries', props.endpoint, props.id],
    queryFn: () => api.get<DeliveryDetails>(path),
    refetchInterval: ({ state }) => (state.data?.finished_at === null ? 3000 : false),
  });
  const resending = useMutation({
    mutationFn: () => api.post(`${path}/resend`),
    onSuccess: async () => {
      say('It is sent again, as a delivery of its own.');
      props.close();
      await props.resent();
    },
  });
  return (
    <Modal opened onClose={props.close} title="Delivery" size="xl" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Loaded query={query}>
        {(delivery) => (
          <Stack gap="lg">
            <Group justify="space-between">
              <div>
                <Group gap="xs">
                  <b>{delivery.event}</b>
                  <DeliveryBadge state={delivery.state} />
                </Group>
                <Text size="sm" c="dimmed">
                  Event {delivery.number}, {timeOf(delivery.creation_time)}
                  {delivery.resend_of && ' · sent again'}
                </Text>
                {delivery.reason && <Text size="sm">{delivery.reason}</Text>}
                {delivery.next_attempt_at && <Text size="sm">Tried again at {timeOf(delivery.next_attempt_at)}.</Text>}
              </div>
              {delivery.finished_at !== null && (
                <Button variant="default" loading={resending.isPending} onClick={() => resending.mutate()}>
                  Send it again
                </Button>
              )}
            </Group>
            {resending.error && <Problem error={resending.error} />}
            <section aria-label="Body">
              <Title order={3} size="h6" mb={6}>
                What is posted
              </Title>
              <JsonBlock label="the body" json={delivery.body} />
            </section>
            <section aria-label="Attempts">
              <Title order={3} size="h6" mb={6}>
                {delivery.attempts.length === 0 ? 'Not tried yet' : 'Attempts, newest first'}
              </Title>
              <Stack gap="sm">
                {delivery.attempts.toReversed().map((attempt, index) => (
                  <details key={attempt.started_at} className="attempt" open={index === 0}>
                    <summary>
                      {clockOf(attempt.started_at)} · <b>{attempt.status ?? 'no answer'}</b> · {attempt.duration_ms} ms
                      {attempt.error && ` · ${attempt.error}`}
                    </summary>
                    <Table variant="vertical" fz="xs" my="xs" aria-label="Headers that were sent">
                      <Table.Tbody>
                        {Object.entries(attempt.request_headers).map(([name, value]) => (
                          <Table.Tr key={name}>
                            <Table.Th scope="row">{name}</Table.Th>
                            <Table.Td className="wrap">{value}</Table.Td>
                          </Table.Tr>
                        ))}
                      </Table.Tbody>
                    </Table>
                    {attempt.response_body ? (
                      <JsonBlock label="the answer" json={attempt.response_body} />
                    ) : (
                      <Text size="xs" c="dimmed">
                        The answer had no body.
                      </Text>
                    )}
                  </details>
                ))}
              </Stack>
            </section>
          </Stack>
        )}
      </Loaded>
    </Modal>
  );
}
