import { Button, Group, NativeSelect, Paper, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useLocation } from 'wouter';
import { api } from '../api.ts';
import { CodeLine } from '../parts/code-line.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Problem } from '../parts/problem.tsx';
import { patchStream, type TabProps, useChange } from './change.ts';
import { WhoMayWatch } from './who-may-watch.tsx';

/** As `settings.varying_rewind` takes them. */
const rewinds = [
  { value: '-1', label: 'No' },
  ...[1, 2, 3, 4].map((hours) => ({ value: String(hours * 3600), label: hours === 1 ? '1 hour' : `${hours} hours` })),
];

/** What can be set of a live stream, with what it means; and its end. */
export function SettingsTab({ stream }: TabProps): ReactNode {
  const { settings } = stream;
  const [name, setName] = useState(stream.name);
  const [giveBack, setGiveBack] = useState(settings.backup_encoder?.give_back ?? true);
  const [lowLatency, setLowLatency] = useState(settings.low_latency_playback ?? false);
  const [rewind, setRewind] = useState(String(settings.varying_rewind ?? -1));
  const saving = useChange(
    stream._id,
    () =>
      patchStream(stream._id, {
        name: name.trim(),
        settings: {
          backup_encoder: { give_back: giveBack },
          low_latency_playback: lowLatency,
          varying_rewind: rewind === '-1' ? null : (Number(rewind) as typeof settings.varying_rewind),
        },
      }),
    'Saved.',
  );
  return (
    <Stack gap="lg" maw={720}>
      <Paper p="lg">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            saving.mutate();
          }}
        >
          <Stack gap="lg">
            <TextInput
              label="Name"
              description="For you and your team; viewers see it only where your own page shows it."
              value={name}
              maxLength={255}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Switch
              label="The first encoder gets its place back"
              description="When the encoder with the primary key returns, it takes over again from the one with the backup key. Off: whoever is on air stays until it falls silent."
              checked={giveBack}
              onChange={(event) => setGiveBack(event.currentTarget.checked)}
            />
            <NativeSelect
              label="Viewers can go back"
              description="The player gets a bar to go back on, while the stream is on air. Takes effect when it goes on air the next time. Whoever runs the server may allow less."
              data={rewinds}
              value={rewind}
              onChange={(event) => setRewind(event.currentTarget.value)}
            />
            <Switch
              label="Show ll_embed_url"
              description="All playback here is low latency. Programs written for LiveAPI look for the address under this name."
              checked={lowLatency}
              onChange={(event) => setLowLatency(event.currentTarget.checked)}
            />
            <Text size="sm" c="dimmed">
              How long viewers wait for an encoder that is away (the reconnect window) is set for the whole server, by
              whoever runs it.
            </Text>
            {saving.error && <Problem error={saving.error} />}
            <Group justify="flex-end">
              <Button type="submit" loading={saving.isPending}>
                Save
              </Button>
            </Group>
          </Stack>
        </form>
      </Paper>
      <WhoMayWatch stream={stream} />
      <Paper p="lg">
        <CodeLine label="Id" value={stream._id} hint="What the API calls this live stream." />
      </Paper>
      <Deletion stream={stream} />
    </Stack>
  );
}

function Deletion({ stream }: TabProps): ReactNode {
  const [asking, setAsking] = useState(false);
  const [, go] = useLocation();
  return (
    <Paper p="lg">
      <Group justify="space-between" gap="md">
        <Stack gap={2} style={{ flex: '1 1 240px' }}>
          <Title order={2} size="h5">
            Delete this live stream
          </Title>
          <Text size="sm" c="dimmed">
            Its encoder is cut, its key and its player never work again. To pause it, stop it on the overview instead.
          </Text>
        </Stack>
        <Button className="danger" variant="default" onClick={() => setAsking(true)}>
          Delete
        </Button>
      </Group>
      <Confirm
        opened={asking}
        title="Delete this live stream?"
        text="This cannot be undone: its key, its player page and its platforms are gone for good."
        typed={stream.name.trim() === '' ? 'delete' : stream.name}
        button="Delete it"
        close={() => setAsking(false)}
        act={async () => {
          await api.delete(`live_streams/${stream._id}`);
          go('/', { replace: true });
        }}
      />
    </Paper>
  );
}
