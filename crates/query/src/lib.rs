//! The memory table, asked: requests, answers and the pmacct client.
