/** The columns `kubectl get` shows: of built-in kinds from here, of custom ones from their CRD. */
import { type ApiObject, listAt } from '../object.ts';
import { type Json, type PrinterColumn, printerCells, type ResourceInfo } from '../pure/index.ts';
import type { Registry } from '../resources/registry.ts';
import { AGE, type Column, NAME } from './cells.ts';
import { CLUSTER_COLUMNS } from './cluster-columns.ts';
import { NETWORK_COLUMNS } from './network-columns.ts';
import { WORKLOAD_COLUMNS } from './workload-columns.ts';

export type ColumnDefinition = {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is the normal view, 1 only `-o wide`. */
  readonly priority: number;
};

export type TableColumns = {
  readonly columns: readonly ColumnDefinition[];
  readonly cells: (object: ApiObject, now: Date) => Json[];
};

const define = (column: Column): ColumnDefinition => ({
  name: column.name,
  type: column.type ?? 'string',
  format: column.format ?? '',
  description: '',
  priority: column.wide === true ? 1 : 0,
});

const BUILT_IN: Readonly<Record<string, readonly Column[]>> = {
  ...WORKLOAD_COLUMNS,
  ...NETWORK_COLUMNS,
  ...CLUSTER_COLUMNS,
};

function builtIn(info: ResourceInfo): TableColumns {
  const columns = BUILT_IN[`${info.group}/${info.plural}`] ?? [NAME, AGE];
  return { columns: columns.map(define), cells: (object, now) => columns.map((column) => column.cell(object, now)) };
}

function custom(info: ResourceInfo, registry: Registry): TableColumns {
  const given = listAt(registry.versionOf(info), 'additionalPrinterColumns') as unknown as readonly PrinterColumn[];
  const columns: readonly PrinterColumn[] =
    given.length > 0 ? given : [{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }];
  const definitions = columns.map(({ name, type, format = '', description = '', priority = 0 }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));
  return {
    columns: [define(NAME), ...definitions],
    cells: (object, now) => [object.metadata.name, ...printerCells(columns, object, now)],
  };
}

export const columnsOf = (info: ResourceInfo, registry: Registry): TableColumns =>
  info.custom ? custom(info, registry) : builtIn(info);
