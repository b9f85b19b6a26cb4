//! What integration tests stand on: private servers and the like.

<<<<<<< HEAD
pub(crate) mod database;
=======
pub(crate) mod keepers;
>>>>>>> keeper
pub(crate) mod postgres;
pub(crate) mod process;
