import { Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';

/** What a page begins with: its title (also the tab's), a line on what it is for, and its main actions. */
export function PageHead(props: {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly badge?: ReactNode;
  readonly children?: ReactNode;
}): ReactNode {
  useDocumentTitle(`${props.title} · LiveAPI`);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="sm">
      <Stack gap={4} style={{ minWidth: 0, flex: '1 1 240px' }}>
        <Group gap="sm" wrap="nowrap">
          <Title order={1} size="h3" className="clip" title={props.title}>
            {props.title}
          </Title>
          {props.badge}
        </Group>
        {props.lead && (
          <Text c="dimmed" size="sm" component="div">
            {props.lead}
          </Text>
        )}
      </Stack>
      {props.children && <Group gap="xs">{props.children}</Group>}
    </Group>
  );
}
