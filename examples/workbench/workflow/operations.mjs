// The operations that a workflow may name, as data: which fields each has, and what runs it.

/** Fields of every step. */
export const COMMON_FIELDS = ['about', 'limits', 'columns'];

/**
 * `own`: the function in operations.py that does it, with the fields that become its parameters.
 * `inputs`: the fields that name steps, and as what those tables appear.
 */
export const OPERATIONS = {
  csv: { needs: [], may: ['nulls'], inputs: {}, own: { function: 'read_csv', params: ['nulls'] } },
  filter: {
    needs: ['where'],
    may: ['sort'],
    inputs: { filter: 'input' },
    own: { function: 'filter', params: ['where', 'sort'] },
  },
  join: {
    needs: ['with', 'match', 'take'],
    may: [],
    inputs: { join: 'input', with: 'with' },
    own: { function: 'join', params: ['match', 'take'] },
  },
  group: {
    needs: ['by', 'values'],
    may: ['sort'],
    inputs: { group: 'input' },
    own: { function: 'group', params: ['by', 'values', 'sort'] },
  },
  python: { needs: ['tables'], may: ['params'], inputs: {} },
  javascript: { needs: ['tables'], may: ['params'], inputs: {} },
  run: { needs: ['over', 'header'], may: ['nulls'], inputs: {} },
};

/** What each field must be. */
export const FIELDS = {
  about: 'text',
  limits: 'object',
  columns: 'object',
  csv: 'text',
  nulls: 'list',
  filter: 'text',
  where: 'object',
  sort: 'list',
  join: 'text',
  with: 'text',
  match: 'object',
  take: 'object',
  group: 'text',
  by: 'list',
  values: 'object',
  python: 'text',
  javascript: 'text',
  tables: 'list',
  params: 'object',
  run: 'list',
  over: 'text',
  header: 'list',
};
