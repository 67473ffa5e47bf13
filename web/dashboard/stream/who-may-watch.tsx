import { Anchor, Button, Group, NativeSelect, Paper, PasswordInput, Stack, Text, Textarea, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { Problem } from '../parts/problem.tsx';
import { patchStream, type TabProps, useChange } from './change.ts';

/** Lists are written one a line, or with commas. */
const linesOf = (text: string): string[] =>
  text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Who may watch a live stream, and where. */
export function WhoMayWatch({ stream }: TabProps): ReactNode {
  const { settings } = stream;
  const [policy, setPolicy] = useState<string>(settings.playback_policy ?? 'public');
  const [password, setPassword] = useState(settings.embed_password ?? '');
  const [domains, setDomains] = useState((settings.domain_whitelist ?? []).join('\n'));
  const [allowed, setAllowed] = useState((settings.country_whitelist ?? []).join(', '));
  const [blocked, setBlocked] = useState((settings.country_block ?? []).join(', '));
  const saving = useChange(
    stream._id,
    () =>
      patchStream(stream._id, {
        settings: {
          playback_policy: policy === 'signed' ? 'signed' : null,
          embed_password: password === '' ? null : password,
          domain_whitelist: domains.trim() === '' ? null : linesOf(domains),
          country_whitelist: allowed.trim() === '' ? null : linesOf(allowed),
          country_block: blocked.trim() === '' ? null : linesOf(blocked),
        },
      }),
    'Saved: it holds from now on, for those who watch already, too.',
  );
  return (
    <Paper p="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Stack gap="lg">
          <Title order={2} size="h5">
            Who may watch
          </Title>
          <NativeSelect
            label="Playback"
            description={
              <>
                Signed: your own software gives each viewer a token, signed with one of your{' '}
                <Anchor component={Link} href="/tokens" size="xs" underline="always">
                  signing keys
                </Anchor>
                . Without one nobody watches.
              </>
            }
            value={policy}
            onChange={(event) => setPolicy(event.currentTarget.value)}
            data={[
              { value: 'public', label: 'Everybody who knows the address' },
              { value: 'signed', label: 'Only viewers with a signed token' },
            ]}
          />
          <PasswordInput
            label="Password"
            description="The player asks for it. Empty: it asks for none."
            value={password}
            maxLength={255}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <Textarea
            label="Sites that may show it"
            description="One domain a line, such as example.com; those below it (www.example.com) are meant as well. Empty: all. Keeps honest sites out, not programs: they can claim to be any site."
            autosize
            minRows={2}
            value={domains}
            onChange={(event) => setDomains(event.currentTarget.value)}
          />
          <Group grow align="flex-start">
            <Textarea
              label="Only in these countries"
              description="Codes of two letters: DE, AT."
              autosize
              value={allowed}
              onChange={(event) => setAllowed(event.currentTarget.value)}
            />
            <Textarea
              label="Not in these countries"
              description="Needs country_header in the configuration; without it, nobody watches."
              autosize
              value={blocked}
              onChange={(event) => setBlocked(event.currentTarget.value)}
            />
          </Group>
          <Text size="sm" c="dimmed">
            Players of RTMP and HTTP-FLV show neither their site nor their country: with any of these they need a token.
          </Text>
          {saving.error && <Problem error={saving.error} />}
          <Group justify="flex-end">
            <Button type="submit" loading={saving.isPending}>
              Save who may watch
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

/** Not everybody may watch it, so an address alone is not enough. */
export const isRestricted = ({ settings }: TabProps['stream']): boolean =>
  settings.playback_policy === 'signed' ||
  Boolean(settings.embed_password) ||
  [settings.domain_whitelist, settings.country_whitelist, settings.country_block].some((list) => list?.length);
