import {
  Alert,
  Button,
  Group,
  NumberInput,
  Paper,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { PullingMode, PullingStatus } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge, type Tone } from '../parts/badge.tsx';
import { bitrate, bytes, clockOf, duration } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { Problem } from '../parts/problem.tsx';
import { patchStream, type TabProps, useChange } from './change.ts';
import { PullSchedule, type PullWindow } from './pull-schedule.tsx';

type Start = NonNullable<PullingMode['start']>;

/** The live stream is fetched from a URL instead of an encoder. */
export function Pull({ stream }: TabProps): ReactNode {
  const mode = stream.settings.pulling_mode ?? {};
  const [enabled, setEnabled] = useState(mode.enabled ?? false);
  const [url, setUrl] = useState(mode.url ?? '');
  const [others, setOthers] = useState((mode.urls ?? []).join('\n'));
  const [start, setStart] = useState<Start>(mode.start ?? 'always');
  const [idle, setIdle] = useState<number | string>(mode.stop_after_idle_s ?? 30);
  const [schedule, setSchedule] = useState<readonly PullWindow[]>(mode.schedule ?? []);
  const [encoder, setEncoder] = useState<string>(mode.encoder ?? 'takes_over');
  const saving = useChange(
    stream._id,
    () =>
      patchStream(stream._id, {
        settings: {
          pulling_mode: {
            enabled,
            url: url.trim() || null,
            urls: others.split(/\s+/).filter((one) => one !== ''),
            start,
            stop_after_idle_s: start === 'on_demand' ? Number(idle) || 30 : null,
            schedule: start === 'schedule' ? schedule : null,
            encoder,
          },
        },
      }),
    enabled ? 'Saved: it is pulled from there.' : 'Saved.',
  );
  return (
    <Stack gap="lg" maw={720}>
      {stream.pulling_status && <State status={stream.pulling_status} />}
      <Paper p="lg">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            saving.mutate();
          }}
        >
          <Stack gap="md">
            <Group justify="space-between">
              <Title order={2} size="h5">
                Fetch it from a URL
              </Title>
              <Switch label="Pull" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
            </Group>
            <Text size="sm" c="dimmed">
              An IP camera, another server, a playlist: RTMP, HLS, MPEG-TS or FLV over HTTP, RTSP, SRT. The media must
              be H.264 with AAC, or one of them: it is passed on as it is.
            </Text>
            <TextInput
              label="URL"
              placeholder="https://origin.example.com/live/index.m3u8"
              value={url}
              onChange={(event) => setUrl(event.currentTarget.value)}
              maxLength={2048}
              autoComplete="off"
              spellCheck={false}
            />
            <Test stream={stream} url={url.trim()} />
            <Textarea
              label="When that gives nothing"
              description="Up to ten more, one a line, tried in this order."
              value={others}
              onChange={(event) => setOthers(event.currentTarget.value)}
              autosize
              minRows={2}
              spellCheck={false}
            />
            <Group grow align="flex-start">
              <Select
                label="When it is pulled"
                value={start}
                onChange={(value) => value && setStart(value as Start)}
                allowDeselect={false}
                data={[
                  { value: 'always', label: 'Always' },
                  { value: 'on_demand', label: 'While somebody watches' },
                  { value: 'schedule', label: 'At its times' },
                ]}
              />
              {start === 'on_demand' && (
                <NumberInput
                  label="Stops without viewers after (s)"
                  min={5}
                  max={86_400}
                  allowDecimal={false}
                  value={idle}
                  onChange={setIdle}
                />
              )}
            </Group>
            {start === 'schedule' && <PullSchedule schedule={schedule} change={setSchedule} />}
            <Select
              label="When an encoder publishes meanwhile"
              value={encoder}
              onChange={(value) => value && setEncoder(value)}
              allowDeselect={false}
              data={[
                { value: 'takes_over', label: 'It takes over' },
                { value: 'refused', label: 'It is refused' },
              ]}
            />
            {saving.error && <Problem error={saving.error} />}
            <Group justify="flex-end">
              <Button type="submit" loading={saving.isPending}>
                Save
              </Button>
            </Group>
          </Stack>
        </form>
      </Paper>
    </Stack>
  );
}

/** The answer to POST /live_streams/{id}/pull/test. */
interface TestResult {
  readonly ok: boolean;
  readonly protocol: string | null;
  readonly video: {
    readonly codec: string;
    readonly width: number;
    readonly height: number;
    readonly frame_rate: number;
  } | null;
  readonly audio: { readonly codec: string; readonly sample_rate: number; readonly channels: number } | null;
  readonly message: string;
}

function Test({ stream, url }: TabProps & { readonly url: string }): ReactNode {
  const testing = useMutation({
    mutationFn: () => api.post<TestResult>(`live_streams/${stream._id}/pull/test`, { url }),
  });
  const result = testing.data;
  return (
    <Stack gap="sm">
      <Button
        variant="default"
        disabled={url === ''}
        loading={testing.isPending}
        onClick={() => testing.mutate()}
        style={{ alignSelf: 'flex-start' }}
      >
        Test it
      </Button>
      {testing.error && <Problem error={testing.error} />}
      {result && !testing.isPending && (
        <Alert
          variant="outline"
          className={result.ok ? 'fine' : 'problem'}
          icon={<Icon name={result.ok ? 'check' : 'warning'} />}
          role="status"
        >
          <Text size="sm">{result.message}</Text>
          {result.ok && (
            <Text size="sm">
              {[
                result.protocol,
                result.video &&
                  `${result.video.codec} ${result.video.width}×${result.video.height}${result.video.frame_rate ? `, ${Math.round(result.video.frame_rate * 100) / 100} frames/s` : ''}`,
                result.audio &&
                  `${result.audio.codec} ${result.audio.sample_rate} Hz, ${result.audio.channels} channels`,
              ]
                .filter(Boolean)
                .join(' · ')}
            </Text>
          )}
        </Alert>
      )}
    </Stack>
  );
}

const STATES: Record<string, readonly [Tone, string]> = {
  off: ['quiet', 'Off'],
  waiting: ['quiet', 'Waiting for a viewer, or its time'],
  connecting: ['quiet', 'Connecting'],
  online: ['live', 'Online'],
  retrying: ['warn', 'Trying again'],
  refused: ['bad', 'Refused'],
  standby: ['quiet', 'Stands by: an encoder publishes'],
};

function State({ status }: { readonly status: PullingStatus }): ReactNode {
  const [tone, word] = STATES[status.state] ?? (['quiet', status.state] as const);
  return (
    <Paper p="md">
      <Stack gap={4}>
        <Group gap="xs">
          <Badge tone={tone}>{word}</Badge>
          {status.uptime_s !== null && (
            <Text size="sm" c="dimmed">
              {[
                status.protocol,
                bitrate(status.bitrate),
                `for ${duration(status.uptime_s)}`,
                bytes(status.bytes_received),
              ]
                .filter(Boolean)
                .join(' · ')}
            </Text>
          )}
        </Group>
        {status.url && (
          <Text size="sm" c="dimmed" className="wrap">
            {status.url}
          </Text>
        )}
        {status.last_error && status.state !== 'online' && (
          <Text size="sm" className="wrong">
            {status.last_error.message} <span className="soft">({clockOf(status.last_error.at)})</span>
          </Text>
        )}
        {status.next_retry && (
          <Text size="sm" c="dimmed">
            Next try at {clockOf(status.next_retry)}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
