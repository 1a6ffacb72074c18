//! Sessions with scripted routers.
