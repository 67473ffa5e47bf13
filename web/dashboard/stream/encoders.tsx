import { Anchor, Button, Group, List, SegmentedControl, Select, Stack, Text, Title } from '@mantine/core';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { CodeBlock } from '../parts/code-line.tsx';
import { Icon } from '../parts/icons.tsx';
import type { TabProps } from './change.ts';

const QrCode = lazy(() => import('../parts/qr-code.tsx'));

const ENCODERS = ['OBS', 'ffmpeg', 'GStreamer', 'vMix', 'Larix', 'Hardware'] as const;
type Encoder = (typeof ENCODERS)[number];

/** For each encoder what to set, as a line or a file. */
export function Encoders({ stream }: TabProps): ReactNode {
  const [encoder, setEncoder] = useState<Encoder>('OBS');
  const { server, key } = stream.ingest;
  const url = `${server}/${key}`;
  const choose = (value: string | null) => value && setEncoder(value as Encoder);
  return (
    <Stack gap="md">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h5">
          Set up your encoder
        </Title>
        <SegmentedControl
          visibleFrom="sm"
          size="xs"
          aria-label="Encoder"
          value={encoder}
          onChange={choose}
          data={[...ENCODERS]}
        />
        <Select
          hiddenFrom="sm"
          aria-label="Encoder"
          value={encoder}
          onChange={choose}
          data={[...ENCODERS]}
          allowDeselect={false}
        />
      </Group>
      {encoder === 'OBS' && (
        <>
          <List size="sm" type="ordered" spacing={4}>
            <List.Item>Settings, Stream: Service “Custom…”, then the server and the stream key from above.</List.Item>
            <List.Item>
              Settings, Output: Keyframe Interval 2 s, Rate Control CBR, Bitrate what your upload allows (4500 kbit/s
              for 1080p30); x264: Tune zerolatency.
            </List.Item>
            <List.Item>Start Streaming.</List.Item>
          </List>
          <Group gap="sm">
            <Button
              component="a"
              variant="default"
              leftSection={<Icon name="download" size={16} />}
              download="service.json"
              href={`data:application/json,${encodeURIComponent(obsService(server, key))}`}
            >
              OBS service profile
            </Button>
            <Text size="sm" c="dimmed" style={{ flex: '1 1 260px' }}>
              Instead of the first step: File, Show Profile Folder, put service.json there and start OBS again. The key
              is in it: keep it to yourself.
            </Text>
          </Group>
        </>
      )}
      {encoder === 'ffmpeg' && (
        <>
          <Text size="sm">A file, as if it were live. For a camera put its input in the place of the first line.</Text>
          <CodeBlock label="the ffmpeg command" text={ffmpegLine(url)} secret={key} />
        </>
      )}
      {encoder === 'GStreamer' && (
        <>
          <Text size="sm">A test picture with a tone. Put your own sources in the place of the two test sources.</Text>
          <CodeBlock label="the GStreamer command" text={gstreamerLine(url)} secret={key} />
        </>
      )}
      {encoder === 'vMix' && (
        <List size="sm" type="ordered" spacing={4}>
          <List.Item>The gear beside Stream: Destination “Custom RTMP Server”.</List.Item>
          <List.Item>URL is the server from above; Stream Name or Key is the stream key.</List.Item>
          <List.Item>Quality: H264, Keyframe Latency 2, AAC 48 kHz; then Save and Close, Start.</List.Item>
        </List>
      )}
      {encoder === 'Larix' && (
        <Group align="flex-start" gap="lg">
          <Suspense fallback={<span className="qr" />}>
            <QrCode text={larixLink(url, stream.name)} label="QR code that sets up Larix Broadcaster" />
          </Suspense>
          <Stack gap="xs" style={{ flex: '1 1 240px' }}>
            <Text size="sm">
              Scan this with the phone that has Larix Broadcaster: it adds the connection, with the key in it. On the
              phone itself,{' '}
              <Anchor href={larixLink(url, stream.name)} underline="always" size="sm">
                open it in Larix
              </Anchor>
              .
            </Text>
            <Text size="sm" c="dimmed">
              By hand: Settings, Connections, New connection; URL is server, slash, stream key in one; mode Audio +
              Video.
            </Text>
          </Stack>
        </Group>
      )}
      {encoder === 'Hardware' && (
        <>
          <Text size="sm">
            Choose RTMP (“push”, “custom”). Devices with one field for the address take this; those with two take server
            and key from above. H.264 and AAC, key frame every 2 seconds, constant bitrate.
          </Text>
          <CodeBlock label="the whole address" text={url} secret={key} />
        </>
      )}
    </Stack>
  );
}

/** OBS keeps this as service.json in a profile's folder. */
const obsService = (server: string, key: string): string =>
  `${JSON.stringify({ type: 'rtmp_custom', settings: { server, key, use_auth: false, bwtest: false } }, null, 2)}\n`;

const ffmpegLine = (url: string): string => `ffmpeg -re -i video.mp4 \\
  -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p \\
  -b:v 4500k -maxrate 4500k -bufsize 9000k -g 60 -keyint_min 60 \\
  -c:a aac -b:a 160k -ar 48000 \\
  -f flv '${url}'`;

const gstreamerLine = (
  url: string,
): string => `gst-launch-1.0 flvmux name=mux streamable=true ! rtmp2sink location='${url}' \\
  videotestsrc is-live=true ! video/x-raw,width=1280,height=720,framerate=30/1 ! videoconvert ! \\
    x264enc tune=zerolatency speed-preset=veryfast bitrate=3000 key-int-max=60 ! h264parse ! mux. \\
  audiotestsrc is-live=true ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! \\
    avenc_aac bitrate=160000 ! aacparse ! mux.`;

/** Larix adds a connection when such a link is opened. */
const larixLink = (url: string, name: string): string =>
  `larix://set/v1?conn[][url]=${encodeURIComponent(url)}&conn[][name]=${encodeURIComponent(name || 'LiveAPI')}&conn[][mode]=av`;
