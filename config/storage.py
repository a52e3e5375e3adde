"""Static files under names that carry their content's hash, so that they may be cached for ever."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModuleStaticFilesStorage(ManifestStaticFilesStorage):
    """Also rewrites the imports between JavaScript modules: without it they would ask for names without a hash."""

    support_js_module_import_aggregation = True
