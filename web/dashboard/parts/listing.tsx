import './listing.css';
import { Group, Pagination, Paper, Table, VisuallyHidden } from '@mantine/core';
import type { ReactNode } from 'react';

/** A column's heading; `wide`: left out on a phone; `figure`: numbers, to the right; `hidden`: said, not shown. */
export interface Column {
  readonly title: string;
  readonly as?: 'wide' | 'figure' | 'wide figure' | 'tight' | 'wide tight';
  readonly hidden?: true;
}

/** Rows of one kind under their headings. What does not fit is reached by scrolling, also by keyboard. */
export const Listing = (props: {
  readonly label: string;
  readonly columns: readonly Column[];
  readonly children: ReactNode;
}): ReactNode => (
  <Paper component="section" className="listing" aria-label={props.label} tabIndex={0}>
    <Table verticalSpacing="sm" horizontalSpacing="md">
      <Table.Thead>
        <Table.Tr>
          {props.columns.map(({ title, as, hidden }) => (
            <Table.Th key={title} scope="col" className={as}>
              {hidden ? <VisuallyHidden>{title}</VisuallyHidden> : title}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>{props.children}</Table.Tbody>
    </Table>
  </Paper>
);

export const Pages = (props: {
  readonly pages: number;
  readonly page: number;
  readonly turn: (page: number) => void;
}): ReactNode =>
  props.pages > 1 && (
    <Group justify="center" mt="md">
      <Pagination
        total={props.pages}
        value={props.page}
        onChange={props.turn}
        getControlProps={(control) => ({ 'aria-label': `${control} page` })}
      />
    </Group>
  );
