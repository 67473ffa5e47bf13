import { Anchor, Grid, Paper, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { root } from '../api.ts';
import { CodeBlock, CodeLine } from '../parts/code-line.tsx';
import QrCode from '../parts/qr-code.tsx';
import type { TabProps } from './change.ts';
import { isRestricted } from './who-may-watch.tsx';

type Kind = 'iframe' | 'element' | 'audio';

/** How viewers get to see it. */
export default function Embed({ stream }: TabProps): ReactNode {
  const [kind, setKind] = useState<Kind>('iframe');
  const { embed_url, embed_audio_url, hls_url } = stream.playback;
  const name = escapeHtml(stream.name || 'Live stream');
  const playbackId = new URL(embed_url).pathname.split('/').at(-1)!;
  const snippets: Record<Kind, string> = {
    iframe: `<iframe src="${escapeHtml(embed_url)}" title="${name}"
  width="100%" style="aspect-ratio: 16 / 9; border: 0"
  allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`,
    element: `<script type="module" src="${escapeHtml(new URL('embed/player.js', root).href)}"></script>
<liveapi-player playback-id="${escapeHtml(playbackId)}" title="${name}"></liveapi-player>`,
    audio: `<iframe src="${escapeHtml(embed_audio_url)}" title="${name}"
  width="100%" height="120" style="border: 0" allow="autoplay"></iframe>`,
  };
  const says: Record<Kind, string> = {
    iframe: 'Works on every page. The player brings all it needs and may be framed anywhere.',
    element: 'An element of your own page, with attributes, events and a size that your style sheet gives it.',
    audio: 'The sound alone, for radio and podcasts: it costs viewers a fraction of the data.',
  };
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 8 }}>
        <Stack gap="lg">
          <Paper p="lg">
            <Stack gap="md">
              <Title order={2} size="h5">
                Put it on a page
              </Title>
              <SegmentedControl
                aria-label="What to embed"
                value={kind}
                onChange={(value) => setKind(value as Kind)}
                data={[
                  { value: 'iframe', label: 'Frame' },
                  { value: 'element', label: 'Element' },
                  { value: 'audio', label: 'Audio' },
                ]}
                style={{ alignSelf: 'flex-start' }}
              />
              <Text size="sm" c="dimmed">
                {says[kind]}
              </Text>
              {isRestricted(stream) && (
                <Text size="sm">
                  Not everybody may watch this live stream (see its settings). To let a viewer in, add
                  <code> ?token=…</code> to an address, or <code>token="…"</code> to the element.
                </Text>
              )}
              <CodeBlock label="the embed code" text={snippets[kind]} />
            </Stack>
          </Paper>
          <Paper p="lg">
            <Stack gap="md">
              <Title order={2} size="h5">
                For other players
              </Title>
              <CodeLine
                label="HLS"
                value={hls_url}
                hint="For apps, television sets, VLC, hls.js: low latency where they can."
              />
              {stream.pull_urls?.rtmp && <CodeLine label="RTMP, while it is on air" value={stream.pull_urls.rtmp} />}
              {stream.pull_urls?.flv && <CodeLine label="HTTP-FLV, while it is on air" value={stream.pull_urls.flv} />}
            </Stack>
          </Paper>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 4 }}>
        <Paper p="lg">
          <Stack gap="sm" align="center">
            <Title order={2} size="h5">
              Watch it on a phone
            </Title>
            <QrCode text={embed_url} label="QR code of the player page" />
            <Anchor href={embed_url} target="_blank" rel="noopener" size="sm" underline="always">
              Open the player page
            </Anchor>
          </Stack>
        </Paper>
      </Grid.Col>
    </Grid>
  );
}

/** The snippet goes into somebody's page: a name is to stay a name there. */
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
