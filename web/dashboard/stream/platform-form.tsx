import { Autocomplete, Button, Group, Modal, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { Platform, PlatformTemplate } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { bitrate } from '../parts/format.ts';
import { Problem } from '../parts/problem.tsx';
import { type TabProps, useChange } from './change.ts';

const AUDIO = [
  { value: 'keep', label: 'As it is' },
  { value: 'silence', label: 'Silence instead' },
  { value: 'mute', label: 'None' },
];

/** Adds a platform, or changes one. Its key is never shown: what is left empty stays. */
export function PlatformForm(
  props: TabProps & { readonly platform: Platform | null; readonly close: () => void },
): ReactNode {
  const { stream, platform, close } = props;
  const [template, setTemplate] = useState(platform?.template ?? 'youtube');
  const [name, setName] = useState(platform?.name ?? '');
  const [server, setServer] = useState(platform?.server ?? '');
  const [key, setKey] = useState('');
  const [audio, setAudio] = useState<string>(platform?.audio ?? 'keep');
  const [delay, setDelay] = useState<number | string>(platform?.delay_s ?? 0);
  const { data } = useQuery({
    queryKey: ['platform_templates'],
    queryFn: () => api.get<{ docs: PlatformTemplate[] }>('platform_templates', { limit: 100 }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const known = data?.docs.find((one) => one.template === template);
  const saving = useChange(
    stream._id,
    () => {
      const values = {
        template,
        audio,
        delay_s: Number(delay) || 0,
        ...(server.trim() && { server: server.trim() }),
        ...(key.trim() && { key: key.trim() }),
      };
      const named = name.trim() || (template !== 'custom' && known?.name);
      const body = { ...values, ...(named && { name: named }) };
      const path = `live_streams/${stream._id}/platforms`;
      return platform ? api.patch(`${path}/${platform._id}`, body) : api.post(path, body);
    },
    platform ? 'Saved.' : 'The platform is added.',
  );
  // `custom` is one of them.
  const services = (data?.docs ?? []).map((one) => ({
    value: one.template,
    label: one.template === 'custom' ? 'Any other RTMP server' : one.name,
  }));
  return (
    <Modal
      opened
      onClose={close}
      title={platform ? `Edit ${platform.name}` : 'Add a platform'}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate(undefined, { onSuccess: close });
        }}
      >
        <Stack gap="md">
          <Select
            label="Service"
            data={services}
            value={template}
            onChange={(value) => {
              if (!value) return;
              setTemplate(value);
              setServer('');
            }}
            allowDeselect={false}
            searchable
            comboboxProps={{ withinPortal: true }}
          />
          <Autocomplete
            label="Server"
            description={known?.servers.length ? 'Left empty: the first of its known ones.' : undefined}
            placeholder={known?.servers[0] ?? 'rtmp://live.example.com/app'}
            data={[...(known?.servers ?? [])]}
            value={server}
            onChange={setServer}
            required={!known?.servers.length}
            withAsterisk={false}
            maxLength={2048}
          />
          <TextInput
            label="Stream key"
            description={known?.key_help}
            placeholder={platform ? `${platform.key || 'none'}: left empty, it stays` : known?.key_form}
            type="password"
            autoComplete="off"
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
            maxLength={512}
          />
          <TextInput
            label="Name"
            placeholder={template === 'custom' ? 'Its host' : known?.name}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={255}
          />
          <Group grow align="flex-start">
            <Select
              label="Sound"
              data={AUDIO}
              value={audio}
              onChange={(value) => value && setAudio(value)}
              allowDeselect={false}
            />
            <NumberInput
              label="Delay in seconds"
              min={0}
              max={60}
              allowDecimal={false}
              value={delay}
              onChange={setDelay}
            />
          </Group>
          {known?.max_bitrate && (
            <span className="soft">
              {known.name} takes at most {bitrate(known.max_bitrate)} of picture and sound.
            </span>
          )}
          {saving.error && <Problem error={saving.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={saving.isPending}>
              {platform ? 'Save' : 'Add'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
