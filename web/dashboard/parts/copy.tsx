import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { Icon } from './icons.tsx';

/** Puts a text into the clipboard, also over plain HTTP, where browsers have no clipboard API. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    // A dialog that keeps the focus would take it away from an element outside.
    (document.activeElement?.closest('[role="dialog"]') ?? document.body).append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}

type Outcome = 'ready' | 'copied' | 'failed';

function useCopy(text: string): readonly [Outcome, () => void] {
  const [outcome, setOutcome] = useState<Outcome>('ready');
  useEffect(() => {
    if (outcome === 'ready') return;
    const timer = setTimeout(() => setOutcome('ready'), 1800);
    return () => clearTimeout(timer);
  }, [outcome]);
  return [outcome, () => void copyText(text).then((copied) => setOutcome(copied ? 'copied' : 'failed'))];
}

const SAYS: Record<Outcome, string> = {
  ready: 'Copy',
  copied: 'Copied',
  failed: 'Not copied: mark it and press Ctrl+C',
};

/** `what` is said to who cannot see what stands beside it. */
export function CopyIcon({ text, what }: { readonly text: string; readonly what: string }): ReactNode {
  const [outcome, copy] = useCopy(text);
  return (
    <Tooltip label={SAYS[outcome]} opened={outcome === 'ready' ? undefined : true}>
      <ActionIcon
        variant="subtle"
        color="gray"
        c="dimmed"
        size="lg"
        onClick={copy}
        aria-label={outcome === 'ready' ? `Copy ${what}` : SAYS[outcome]}
      >
        <Icon name={outcome === 'copied' ? 'check' : 'copy'} />
      </ActionIcon>
    </Tooltip>
  );
}

export function CopyButton({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }): ReactNode {
  const [outcome, copy] = useCopy(text);
  return (
    <Button
      variant="default"
      size="xs"
      onClick={copy}
      leftSection={<Icon name={outcome === 'copied' ? 'check' : 'copy'} size={15} />}
    >
      {outcome === 'ready' ? label : SAYS[outcome]}
    </Button>
  );
}
