import { Alert, Anchor, Button, Grid, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import type { PlaybackToken } from '../../../src/contract/index.ts';
import { api, root } from '../api.ts';
import { CodeLine } from '../parts/code-line.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Icon } from '../parts/icons.tsx';
import { useOnAir } from '../parts/stream-badge.tsx';
import { useComplain } from '../parts/toast.tsx';
import { patchStream, type TabProps, useChange } from './change.ts';
import { Encoders } from './encoders.tsx';
import { RotateKey } from './rotate-key.tsx';
import { isRestricted } from './who-may-watch.tsx';

const PREVIEW_S = 12 * 3600;

/** What to push to, what viewers see, and the switch. */
export function Overview({ stream }: TabProps): ReactNode {
  const { told } = useOnAir(stream);
  const { server, key, backup_key } = stream.ingest;
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 6 }}>
        <Stack gap="lg">
          <Preview stream={stream} />
          <Switch stream={stream} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 6 }}>
        <Stack gap="lg">
          {told?.advice.map(({ code, severity, message }) => (
            <Alert
              key={code}
              icon={<Icon name="warning" />}
              variant="outline"
              className={severity === 'error' ? 'problem' : 'advice'}
            >
              <Text size="sm">{message}</Text>
              <Anchor component={Link} href={`/streams/${stream._id}/health`} size="sm" underline="always">
                See when
              </Anchor>
            </Alert>
          ))}
          <Paper p="lg">
            <Title order={2} size="h5" mb="md">
              What your encoder needs
            </Title>
            <Stack gap="md">
              <CodeLine label="Server" value={server} />
              <CodeLine
                label="Stream key"
                value={key}
                secret
                hint="Whoever has it can go live here. It is one text, with all that stands behind the question mark."
                actions={<RotateKey stream={stream} which="primary" />}
              />
              {backup_key ? (
                <CodeLine
                  label="Backup key"
                  value={backup_key}
                  secret
                  hint="For a second encoder: it stands by, and takes over when the first falls silent."
                  actions={<RotateKey stream={stream} which="backup" />}
                />
              ) : (
                <RotateKey stream={stream} which="backup" first />
              )}
            </Stack>
          </Paper>
        </Stack>
      </Grid.Col>
      <Grid.Col span={12}>
        <Paper p="lg">
          <Encoders stream={stream} />
        </Paper>
      </Grid.Col>
    </Grid>
  );
}

function Preview({ stream }: TabProps): ReactNode {
  const restricted = isRestricted(stream);
  // Bound to the rules of the moment: with others a new one is needed.
  const { data } = useQuery({
    queryKey: ['preview', stream._id, stream.settings],
    queryFn: () => api.post<PlaybackToken>(`live_streams/${stream._id}/playback_tokens`, { expires_in_s: PREVIEW_S }),
    enabled: restricted,
    staleTime: (PREVIEW_S / 2) * 1000,
  });
  if (restricted && !data) return <Paper className="preview" />;
  const address = new URL(data?.embed_url ?? stream.playback.embed_url);
  address.searchParams.set('autoplay', '1');
  return (
    <Paper className="preview">
      {/* As on any other page: a frame that needs nothing of ours. */}
      <iframe
        src={address.href}
        title={`Player of ${stream.name}`}
        allow="autoplay; fullscreen; picture-in-picture"
        allowFullScreen
      />
    </Paper>
  );
}

function Switch({ stream }: TabProps): ReactNode {
  const { state } = useOnAir(stream);
  const [asking, setAsking] = useState(false);
  const complain = useComplain();
  const switching = useChange(
    stream._id,
    (enabled: boolean) => patchStream(stream._id, { enabled }),
    (enabled) => (enabled ? 'Started: encoders may publish again.' : 'Stopped: the encoder was cut.'),
  );
  const stop = () => (state === 'offline' ? switching.mutate(false, { onError: complain }) : setAsking(true));
  return (
    <Paper p="lg">
      <Group justify="space-between" gap="md">
        <Stack gap={2} style={{ flex: '1 1 200px' }}>
          <Text fw={600}>{!stream.enabled ? 'Stopped' : state === 'offline' ? 'Ready for an encoder' : 'On air'}</Text>
          <Text size="sm" c="dimmed">
            {stream.enabled
              ? 'Stop cuts the encoder at once and ends the broadcast for all viewers and platforms. Nobody can publish until you start it again.'
              : 'Encoders are refused. Start lets them publish again, with the same key.'}
          </Text>
        </Stack>
        {stream.enabled ? (
          <Button
            size="md"
            className="danger"
            variant={state === 'offline' ? 'default' : 'filled'}
            onClick={stop}
            loading={switching.isPending}
          >
            Stop
          </Button>
        ) : (
          <Button size="md" loading={switching.isPending} onClick={() => switching.mutate(true, { onError: complain })}>
            Start
          </Button>
        )}
      </Group>
      {stream.enabled && state === 'offline' && (
        <Button
          component="a"
          href={`${root.pathname}dashboard/publish#${stream.ingest.key}`}
          target="_blank"
          rel="noopener"
          variant="default"
          mt="md"
          fullWidth
          leftSection={<Icon name="camera" size={17} />}
        >
          Go live from this browser
        </Button>
      )}
      <Confirm
        opened={asking}
        title={`Stop ${stream.name}?`}
        text="It is on air. The encoder is cut at once; the broadcast ends for all viewers and platforms, and nobody can publish until you start it again."
        button="Stop it"
        close={() => setAsking(false)}
        act={() => switching.mutateAsync(false)}
      />
    </Paper>
  );
}
