/** How a process is told which mutant it is to plant in itself (plant.ts). */

/** Environment variable with a mutant's name; absent or '': none. */
export const MUTANT_VARIABLE = 'ORDINAL_MUTANT'

/** Put behind a mutant's name it asks for its ground alone. */
export const GROUND = '/ground'
