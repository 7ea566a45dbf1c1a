-- A merge is written column by column as soon as it is larger than any block: row by row, as into one file of columns, it costs
-- twice as much of the processor. A block of the usual size is 10 MiB, and stays one file.
ALTER TABLE {{local "events"}} {{onCluster}} MODIFY SETTING min_bytes_for_wide_part = 33554432;
