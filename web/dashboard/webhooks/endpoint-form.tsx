import { Badge, Checkbox, Fieldset, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { EventName, NewWebhookEndpoint, WebhookEndpoint } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { EVENT_GROUPS } from '../parts/event-list.ts';

/** Makes an endpoint, or changes the one that is given. */
export function EndpointForm(props: {
  readonly endpoint?: WebhookEndpoint;
  readonly close: () => void;
  readonly made?: (endpoint: NewWebhookEndpoint) => void;
  readonly changed: () => Promise<void>;
}): ReactNode {
  const { endpoint } = props;
  const [name, setName] = useState(endpoint?.name ?? '');
  const [url, setUrl] = useState(endpoint?.url ?? '');
  const [all, setAll] = useState(endpoint ? endpoint.events.length === 0 : true);
  const [events, setEvents] = useState<readonly EventName[]>(endpoint?.events ?? []);
  const send = async () => {
    if (!all && events.length === 0) throw new Error('Choose at least one event, or all of them.');
    const body = { name: name.trim(), url: url.trim(), events: all ? [] : events };
    if (endpoint) await api.patch(`webhook_endpoints/${endpoint._id}`, body);
    else props.made?.(await api.post<NewWebhookEndpoint>('webhook_endpoints', body));
    await props.changed();
  };
  return (
    <FormDialog
      title={endpoint ? 'Change the webhook endpoint' : 'New webhook endpoint'}
      button={endpoint ? 'Save' : 'Make it'}
      close={props.close}
      send={send}
    >
      <TextInput
        label="URL"
        description="Where events are posted to: https, at a public address, unless the operator of this server allows more."
        placeholder="https://example.com/liveapi"
        type="url"
        required
        maxLength={2048}
        data-autofocus
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
      />
      <TextInput
        label="Name"
        placeholder="Backend"
        maxLength={255}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Radio.Group label="It is told" value={all ? 'all' : 'some'} onChange={(value) => setAll(value === 'all')}>
        <Stack gap="xs" mt="xs">
          <Radio value="all" label="everything, also events that later versions add" />
          <Radio value="some" label="these events alone" />
        </Stack>
      </Radio.Group>
      {!all &&
        [...EVENT_GROUPS].map(([group, listed]) => (
          <Fieldset key={group} legend={group}>
            <SimpleGrid cols={{ base: 1, sm: 2 }} verticalSpacing="sm">
              {listed.map((event) => (
                <Checkbox
                  key={event.name}
                  label={
                    <>
                      {event.name}{' '}
                      {event.planned && (
                        <Badge size="xs" variant="default">
                          planned
                        </Badge>
                      )}
                    </>
                  }
                  description={event.description}
                  checked={events.includes(event.name)}
                  onChange={(change) =>
                    setEvents(
                      change.currentTarget.checked
                        ? [...events, event.name]
                        : events.filter((name) => name !== event.name),
                    )
                  }
                />
              ))}
            </SimpleGrid>
          </Fieldset>
        ))}
      {endpoint && (
        <Text size="xs" c="dimmed">
          What waits to be sent goes to the new URL.
        </Text>
      )}
    </FormDialog>
  );
}
