/** Of a server's config file: more would be no config file, and must not fill the memory or the disk of a host. */
export const CONFIG_FILE_BYTES_MAX = 16 * 1024 * 1024;
