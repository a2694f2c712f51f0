/** Something that the archive does not have (any more), and that the bed cannot make. The message says what, and what there is. */
export class NotInArchive extends Error {}
